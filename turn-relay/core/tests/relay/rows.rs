//! What a relay has to be tried with, and the test that tries it. A row whose test is gone fails.
//!
//! The lists come from the advisories on TURN servers of the last years; the expected answers are in the tests.

/// What to try, and the function that does it.
const ROWS: &[(&str, &[&str])] = &[
    // Peer addresses.
    (
        "special-purpose IPv4 and IPv6 peers, wrapped ones, and the neighbours that must pass",
        &["special_purpose_peers_are_refused_every_way"],
    ),
    (
        "several peers in one CreatePermission, good and bad ones mixed",
        &["special_purpose_peers_are_refused_every_way"],
    ),
    (
        "the same with Connect, and with peers that connect",
        &[
            "special_purpose_peers_are_refused_every_way",
            "what_must_not_be_reached_is_refused",
            "a_peer_that_has_permission_reaches_the_client",
        ],
    ),
    (
        "own listening addresses, and ports 0, 25 and 53",
        &[
            "allow_beats_deny_and_nothing_beats_our_own_services",
            "what_is_not_public_is_denied_and_our_own_ports_always_are",
            "our_own_udp_addresses_are_reached_within_the_process",
        ],
    ),
    (
        "own relayed addresses, also behind a NAT",
        &[
            "two_relayed_clients_reach_each_other_without_the_kernel",
            "the_relayed_address_of_another_worker_is_told_from_strangers",
        ],
    ),
    (
        "allow and deny that overlap; a range that ends within a byte",
        &["allow_beats_deny_and_nothing_beats_our_own_services"],
    ),
    // The shape of messages.
    (
        "0 to 19 bytes, odd, too long and wrapping lengths, junk behind, odd attributes, RFC 3489, unknown classes and methods",
        &["malformed_messages_are_dropped"],
    ),
    (
        "empty, long, non-UTF-8 and malicious names",
        &["credentials_are_checked_in_the_order_of_the_rfc", "incomplete_credentials_are_bad_requests"],
    ),
    (
        "any number of unknown attributes, in requests and indications",
        &["a_list_of_unknown_attributes_is_bounded", "send_indications_need_all_they_need"],
    ),
    ("attributes behind the integrity, and doubled ones", &["what_follows_the_integrity_does_not_count"]),
    (
        "FINGERPRINT that is wrong or not last",
        &["malformed_messages_are_dropped", "short_term_integrity_and_fingerprints_hold"],
    ),
    (
        "SHA-256 integrity of 15 to 33 bytes, and both integrities",
        &[
            "sha256_may_be_truncated_to_16_bytes_in_steps_of_4",
            "both_integrities_may_come_and_the_stronger_one_decides",
        ],
    ),
    (
        "bid-down of the algorithms",
        &["credentials_are_checked_in_the_order_of_the_rfc", "incomplete_credentials_are_bad_requests"],
    ),
    // State.
    ("everything without an allocation", &["without_an_allocation_nothing_works"]),
    ("Allocate again, with the same and with a new transaction", &["a_retransmitted_allocate_gets_the_same_answer"]),
    ("another user on the same 5-tuple", &["another_user_on_the_same_5_tuple_is_sent_away"]),
    (
        "lifetimes of 0, huge ones, of another family",
        &["lifetimes_stay_within_their_bounds", "an_allocation_may_have_both_families_and_lose_one"],
    ),
    ("channels below, at and above each bound, bound again", &["channels_are_bound_one_to_one_within_their_range"]),
    ("ChannelData that is shorter and longer than it says", &["channel_data_is_as_long_as_it_says"]),
    (
        "streams cut anywhere, two bytes first, unpadded",
        &[
            "streams_are_served_however_they_are_cut",
            "junk_is_cut_off_and_halves_wait",
            "streams_are_cut_the_same_however_they_come",
        ],
    ),
    (
        "TLS to the plain port, HTTP, plain to the TLS port",
        &["what_is_no_turn_is_closed_at_once", "junk_is_cut_off_and_halves_wait"],
    ),
    (
        "EVEN-PORT over and over; ports that leak",
        &["no_port_is_given_out_twice_or_lost", "a_pair_of_ports_that_others_hold_is_replaced_by_another_pair"],
    ),
    (
        "reservation tokens that are unknown, late, used twice, combined",
        &[
            "a_reserved_port_goes_to_who_brings_the_token",
            "a_reservation_that_nobody_claims_is_given_back",
            "allocate_requests_are_read_strictly",
        ],
    ),
    ("ADDITIONAL-ADDRESS-FAMILY with all else", &["allocate_requests_are_read_strictly"]),
    (
        "ConnectionBind of others, over UDP, late",
        &["what_must_not_be_reached_is_refused", "connections_that_nobody_takes_are_closed_after_30_seconds"],
    ),
    (
        "tickets of others, used twice, forged; quotas across moves",
        &["an_allocation_moves_with_its_ticket_once", "moving_does_not_get_around_a_quota"],
    ),
    // Floods.
    (
        "a million strangers, with and without garbage for an integrity",
        &[
            "strangers_leave_nothing_behind",
            "a_flood_of_forged_sources_locks_nobody_out",
            "strangers_get_short_answers_and_not_many",
        ],
    ),
    (
        "nonces of another address, altered ones, 1 s before and after their end, of another server",
        &[
            "a_nonce_is_good_for_its_client_for_an_hour",
            "every_bit_of_a_nonce_counts",
            "servers_with_the_same_key_accept_each_others_nonces",
            "a_nonce_outlives_one_change_of_keys_on_every_worker",
        ],
    ),
    (
        "connections that say nothing, half a message, or do not read",
        &[
            "a_client_without_allocation_is_cut_off_after_30_seconds",
            "half_a_message_is_cut_off_after_30_seconds",
            "who_does_not_read_is_cut_off_after_30_seconds",
        ],
    ),
    ("connections of one source without end", &["one_source_cannot_take_all_places"]),
    (
        "permissions and allocations without end, over all workers",
        &["permissions_and_allocations_are_counted", "quotas_hold_over_all_workers"],
    ),
    ("made-up users and their memory", &["users_who_left_are_forgotten"]),
    (
        "payload faster than agreed",
        &["bytes_and_packets_stay_within_their_rates", "each_allocation_has_limits_of_its_own"],
    ),
    ("slow readers beside fast ones", &["a_client_that_does_not_read_loses_payload_and_nobody_else_does"]),
    (
        "clients and peers on port 0, 19, 53, 123 and our own",
        &["answers_go_to_any_port_but_0", "clients_on_this_host_may_have_any_port_that_is_no_socket_of_ours"],
    ),
    (
        "ports of the range that are somebody else's or our own, ports that another worker has left",
        &[
            "neighbouring_ports_that_others_hold_are_not_tried_over_and_over",
            "an_address_of_our_own_is_nobodys_relayed_address",
            "a_worker_without_ports_leaves_clients_to_one_that_has_some",
        ],
    ),
    ("a loop between two relayed addresses", &["two_relayed_addresses_make_no_loop"]),
    // Amplification.
    (
        "every unauthenticated answer beside its request",
        &["strangers_get_short_answers_and_not_many", "a_challenge_offers_what_has_room_in_the_length_of_the_request"],
    ),
];

#[test]
fn every_row_has_its_tests() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = [
        "turn-relay/core/src",
        "turn-relay/core/tests",
        "turn-relay/server/src",
        "turn-relay/server/tests",
        "tests/binary",
    ];
    let mut sources = String::new();
    let mut waiting: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            sources += &std::fs::read_to_string(path).unwrap();
        }
    }
    for (row, tests) in ROWS {
        assert!(!tests.is_empty(), "{row}");
        for test in *tests {
            assert!(sources.contains(&format!("fn {test}(")), "{row}: {test} is gone");
        }
    }
}
