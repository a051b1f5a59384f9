//! Updates that Yjs writes rarely or never, byte by byte.
use std::ops::Range;

use bytes::Bytes;
use stoa_crdt_sync_core::update::{CLOCK_END, DeleteSet, Id, Kind, Split, StateVector, Update, UpdateError, merge};

use crate::oracle::{Case, Docket, Parts};

fn read(bytes: &[u8]) -> Result<Update, UpdateError> {
    Update::read(Bytes::copy_from_slice(bytes))
}

fn number(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

/// An update with one section.
fn section(client: u64, clock: u64, structs: &[&[u8]]) -> Vec<u8> {
    let head = [number(1), number(structs.len() as u64), number(client), number(clock)].concat();
    [head, structs.concat(), vec![0]].concat()
}

/// In a root type `t`, of that kind.
fn in_root(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind, 1, 1, b't'], content].concat()
}

#[test]
fn an_empty_update_is_empty() {
    let update = read(&[0, 0]).unwrap();
    assert!(update.is_empty() && update.is_known(&StateVector::new(), &DeleteSet::new()));
    assert_eq!(update.split(&StateVector::new()), Split::default());
    assert_eq!(merge(&[&update], &StateVector::new(), &DeleteSet::new()), [0, 0]);
    let only_skips = read(&section(1, 0, &[&[10, 5]])).unwrap();
    assert!(only_skips.is_empty() && only_skips.structs().count() == 1);
    assert!(!read(&[0, 1, 1, 1, 0, 1]).unwrap().is_empty());
}

#[test]
fn what_engines_misread_is_written_anew() {
    let text = |text: &str| in_root(4, &[&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat());
    let (a, b, gc) = (text("a"), text("b"), vec![0, 3]);
    // Clients 9 and 7, a section and a half of the latter.
    let tidy = [&[2, 1, 9, 0], &*a, &[2, 7, 0], &gc, &b, &[1, 7, 1, 0, 2]].concat();
    let same = [
        [&[2, 2, 7, 0], &*gc, &b, &[1, 9, 0], &a, &[1, 7, 1, 0, 2]].concat(),
        [&[3, 1, 9, 0], &*a, &[1, 7, 3], &b, &[1, 7, 0], &gc, &[1, 7, 1, 0, 2]].concat(),
        [&[3, 1, 9, 0], &*a, &[0, 8, 0, 2, 7, 0], &gc, &b, &[1, 7, 1, 0, 2]].concat(),
        [&[2, 1, 9, 0], &*a, &[4, 7, 0, 10, 0], &gc, &text(""), &b, &[1, 7, 1, 0, 2]].concat(),
        [&[2, 1, 9, 0], &*a, &[2, 7, 0], &gc, &b, &[1, 7, 3, 1, 1, 0, 2, 5, 0]].concat(),
        [&[2, 1, 9, 0], &*a, &[2, 7, 0], &gc, &b, &[2, 7, 1, 1, 1, 7, 1, 0, 1]].concat(),
        [&*tidy, b"what follows"].concat(),
    ];
    assert_eq!(read(&tidy).unwrap().bytes(), &tidy);
    for same in same {
        assert_eq!(read(&same).unwrap().bytes(), &tidy, "{same:?}");
    }
}

#[test]
fn structs_that_no_engine_knows_are_refused() {
    for info in [11, 16, 0x1f, 0x80, 0x8a, 0x4a, 0x20] {
        let refused = read(&section(1, 0, &[&[info, 1, 1, b't', 1, 1, 1]])).unwrap_err();
        assert!(matches!(refused, UpdateError::Kind(_)), "{info}: {refused}");
    }
    assert_eq!(read(&section(1, 0, &[&[4, 2, 1, b't', 1, b'a']])).unwrap_err(), UpdateError::Parent);
}

#[test]
fn nothing_stands_beside_or_inside_itself_or_what_comes_later() {
    let at = |place: &[u8]| section(1, 5, &[&[place, &[1, b'a']].concat()]);
    for (clock, is_good) in [(4, true), (5, false), (6, false)] {
        for place in [[0x84, 1, clock].as_slice(), &[0x44, 1, clock], &[0xc4, 2, 9, 1, clock], &[4, 0, 1, clock]] {
            assert_eq!(read(&at(place)).err(), (!is_good).then_some(UpdateError::Origin), "{place:?}");
        }
    }
}

#[test]
fn ids_and_clocks_are_bounded() {
    let gc = |client, clock, len| read(&section(client, clock, &[&[vec![0], number(len)].concat()])).err();
    assert_eq!(gc((1 << 53) - 1, CLOCK_END - 1, 1), None);
    assert_eq!(gc(1 << 53, 0, 1), Some(UpdateError::Number));
    assert_eq!(gc(1, CLOCK_END, 1), Some(UpdateError::Number));
    assert_eq!(gc(1, 0, (1 << 53) - 1), Some(UpdateError::Number));
    let origin = |clock| read(&section(1, 0, &[&[vec![0x84, 2], number(clock), vec![1, b'a']].concat()])).err();
    assert_eq!((origin(CLOCK_END - 1), origin(CLOCK_END)), (None, Some(UpdateError::Number)));
}

#[test]
fn what_yrs_reads_otherwise_is_marked() {
    let is_portable = |kind, content: &[u8]| read(&section(1, 0, &[&in_root(kind, content)])).unwrap().is_portable();
    assert!(
        !is_portable(5, b"\x08\"\\ud83d\"")
            && is_portable(5, b"\x02{}")
            && is_portable(7, &[2])
            && is_portable(8, &[1, 126])
    );
    assert!(!is_portable(2, b"\x01\x02{}") && !is_portable(7, b"\x05\x01h"));
}

/// A struct of seven units, of each kind that has several.
fn long_structs() -> Vec<(Kind, Vec<u8>)> {
    let json = [&[7][..], &[[1, b'5']; 7].concat()].concat();
    let any: Vec<u8> = [7].into_iter().chain((0..7).flat_map(|digit| [125, digit])).collect();
    vec![
        (Kind::Gc, vec![0, 7]),
        (Kind::Deleted, in_root(1, &[7])),
        (Kind::Json, in_root(2, &json)),
        (Kind::String, in_root(4, "\u{c}a\u{1f600}é\u{1f680}b".as_bytes())),
        (Kind::Any, in_root(8, &any)),
    ]
}

#[test]
fn a_cut_struct_is_what_yjs_makes_of_it() {
    let mut docket = Docket::default();
    for (kind, long) in long_structs() {
        let whole = section(5, 3, &[&long]);
        let update = read(&whole).unwrap();
        assert_eq!(update.structs().map(|part| (part.kind, part.len)).collect::<Vec<_>>(), [(kind, 7)]);
        for cut in 1..7 {
            let above = [(5, 3 + cut)].into_iter().collect();
            let tail = merge(&[&update], &above, &DeleteSet::new());
            let read_tail = read(&tail).unwrap();
            let part = read_tail.structs().next().unwrap();
            assert_eq!((part.clock, part.len), (3 + cut, 7 - cut), "{kind:?}");
            let origin = (kind != Kind::Gc).then_some(Id { client: 5, clock: 2 + cut });
            assert_eq!(part.origin(), origin, "{kind:?}");
            // What is there before the cut begins before the struct does.
            let before = section(5, 0, &[&[0, 3], &in_root(1, &[u8::try_from(cut).unwrap()])]);
            docket.add(Case {
                about: format!("{kind:?} cut at {cut}"),
                left: Parts::default().bytes(&before).bytes(&whole),
                right: Parts::default().bytes(&before).bytes(&tail),
                settled: true,
                ..Case::default()
            });
            let (other, deletes) = (read(&before).unwrap(), DeleteSet::new());
            let merged = merge(&[&update, &other], &StateVector::new(), &deletes);
            docket.add(Case {
                about: format!("{kind:?} after another copy of {cut} units"),
                left: Parts::default().merged_bytes(&[&whole, &before]),
                right: Parts::default().bytes(&merged),
                settled: true,
                ..Case::default()
            });
        }
    }
    docket.judge();
}

#[test]
fn half_a_pair_of_surrogates_is_replaced() {
    let update = read(&section(5, 0, &[&in_root(4, "\u{6}a\u{1f600}b".as_bytes())])).unwrap();
    let tail = |above| {
        let bytes = merge(&[&update], &[(5, above)].into_iter().collect(), &DeleteSet::new());
        String::from_utf8_lossy(&bytes[8..bytes.len() - 1]).into_owned()
    };
    assert_eq!((tail(1), tail(2), tail(3)), ("\u{1f600}b".into(), "\u{fffd}b".into(), "b".into()));
}

#[test]
fn only_what_continues_another_is_joined() {
    let first = section(1, 0, &[&in_root(4, b"\x01a")]);
    let joined = |second: &[u8]| {
        let second = section(1, 1, &[second]);
        let parts = [read(&first).unwrap(), read(&second).unwrap()];
        let merged = merge(&[&parts[1], &parts[0]], &StateVector::new(), &DeleteSet::new());
        read(&merged).unwrap().structs().count() == 1
    };
    assert!(joined(&[0x84, 1, 0, 1, b'b']));
    let before = |clock| section(1, 0, &[&[0x44, 2, 1, 1, b'a'], &[0xc4, 1, 0, 2, clock, 1, b'b']]);
    assert_eq!((lens(&before(1), None), lens(&before(0), None)), (vec![2], vec![1, 1]));
    // After something else, before something, of a key, deleted, elsewhere.
    for other in [&[0x84, 2, 0, 1, b'b'][..], &[0xc4, 1, 0, 2, 0, 1, b'b'], &[0xa4, 1, 0, 1, b'b'], &[0x81, 1, 0, 1]] {
        assert!(!joined(other), "{other:?}");
    }
    assert!(!joined(&in_root(4, b"\x01b")));
}

/// Each value of a key deletes the one before, also where an update does not tell that it is for a key.
#[test]
fn values_of_a_key_stay_apart() {
    let values = section(1, 0, &[&[0x28, 1, 1, b'm', 1, b'k', 1, 120], &[0x88, 1, 0, 1, 121], &[0x88, 1, 1, 1, 120]]);
    assert_eq!(lens(&values, Some(0..2)), [1, 1, 1]);
    assert_eq!(lens(&values, Some(0..3)), [1, 2], "the first tells its key");
    let items = section(1, 0, &[&[0x88, 2, 0, 1, 120], &[0x88, 1, 0, 1, 121], &[0x88, 1, 1, 1, 120]]);
    assert_eq!(lens(&items, Some(0..2)), [2, 1]);
    assert_eq!(lens(&items, None), [3]);
    assert_eq!(lens(&items, Some(0..3)), [3]);
}

/// How long structs are after a merge with these deletes.
fn lens(bytes: &[u8], deleted: Option<Range<u64>>) -> Vec<u64> {
    let deletes = deleted.into_iter().map(|range| (1, range)).collect();
    let merged = merge(&[&read(bytes).unwrap()], &StateVector::new(), &deletes);
    read(&merged).unwrap().structs().map(|part| part.len).collect()
}

/// So many authors, each of whom waits for the next, and the last one's structs for all: no step may cost all of them.
#[test]
fn a_long_chain_is_split_in_one_go() {
    const LEN: u64 = 50_000;
    let mut bytes = number(LEN);
    for client in (0..LEN).rev() {
        bytes.extend([number(2), number(client), vec![0]].concat());
        let next = client + 1;
        let first = if next < LEN { [vec![0x84], number(next), vec![0]].concat() } else { vec![4, 1, 1, b't'] };
        let before = if client > 0 { [vec![0x84], number(client - 1), vec![0]].concat() } else { vec![4, 1, 1, b't'] };
        bytes.extend([first, vec![1, b'a'], before, vec![1, b'b']].concat());
    }
    bytes.push(0);
    let update = read(&bytes).unwrap();
    let split = update.split(&StateVector::new());
    assert_eq!((split.ready.as_ref(), split.rest), (Some(update.bytes()), None));
    // Without the last author everything waits, for that one.
    let above = [(LEN - 1, 2)].into_iter().collect();
    let update = read(&merge(&[&update], &above, &DeleteSet::new())).unwrap();
    let split = update.split(&StateVector::new());
    assert_eq!((split.ready, split.rest.as_ref()), (None, Some(update.bytes())));
    assert!(split.missing.iter().any(|(client, clock)| (client, clock) == (LEN - 1, 1)));
}

#[test]
fn rest_and_ready_are_told_apart_unit_by_unit() {
    // Author 1: units 0 to 2, a gap, unit 5; author 2: after unit 1 of author 1, and after unit 5; deletes of 1 and 3.
    let text = |place: &[u8]| [place, &[1, b'x']].concat();
    let one = [&[0, 3][..], &[10, 2], &text(&[0x84, 1, 4])].concat();
    let two = [text(&[0x84, 1, 1]), text(&[0x84, 1, 5])].concat();
    let bytes = [&[2, 2, 2, 0][..], &two, &[3, 1, 0], &one, &[2, 3, 1, 0, 9, 1, 1, 2, 3]].concat();
    let update = read(&bytes).unwrap();
    let split = update.split(&StateVector::new());
    let ready = [&[2, 1, 2, 0][..], &text(&[0x84, 1, 1]), &[1, 1, 0, 0, 3], &[1, 1, 1, 2, 1]].concat();
    let rest =
        [&[2, 1, 2, 1][..], &text(&[0x84, 1, 5]), &[1, 1, 5], &text(&[0x84, 1, 4]), &[2, 3, 1, 0, 9, 1, 1, 3, 2]]
            .concat();
    assert_eq!(split.ready.as_deref(), Some(&*ready));
    assert_eq!(split.rest.as_deref(), Some(&*rest));
    assert_eq!(split.missing.iter().collect::<Vec<_>>(), [(1, 4), (3, 1)]);
    // With what was missing, and some of it known.
    let known = [(1, 5), (2, 1), (3, 9)].into_iter().collect();
    let split = update.split(&known);
    assert_eq!((split.ready.as_ref(), split.rest), (Some(update.bytes()), None));
}
