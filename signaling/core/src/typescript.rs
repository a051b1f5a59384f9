//! Generates the SDK's wire types. `make types` writes them; the test fails when they are stale.

use ts_rs::{Config, TS};

use crate::message::{
    Announcement, Candidate, ChatEntry, ClientFrame, ClientMessage, Description, DescriptionKind, DocumentsGrant,
    ErrorCode, Grants, IceServer, LeaveReason, MediaState, Participant, ParticipantRights, Resume, ResumeFailure,
    RoomState, ServerFrame, ServerMessage, Source, Topology, TopologyMode, Track, TrackSource, TrackWish, WireLimits,
    Wish,
};

fn generated() -> String {
    let config = Config::new().with_large_int("number");
    let mut out = String::from("// Generated from signaling/core/src/message.rs by `make types`. Do not edit.\n");
    macro_rules! declare {
        ($($name:ident),* $(,)?) => {
            $(
                if let Some(docs) = <$name as TS>::docs() {
                    out.push_str(&docs);
                }
                out.push_str("export ");
                out.push_str(&<$name as TS>::decl(&config));
                out.push('\n');
            )*
        };
    }
    declare!(
        ClientFrame,
        ClientMessage,
        Resume,
        Source,
        Grants,
        DocumentsGrant,
        MediaState,
        Description,
        DescriptionKind,
        Candidate,
        Announcement,
        TrackSource,
        TrackWish,
        Wish,
        ServerFrame,
        ServerMessage,
        RoomState,
        Topology,
        TopologyMode,
        Track,
        Participant,
        ParticipantRights,
        ChatEntry,
        IceServer,
        WireLimits,
        ResumeFailure,
        LeaveReason,
        ErrorCode,
    );
    out
}

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web-client/sdk/src/signal/wire.ts");

#[test]
fn the_sdk_types_are_those_of_the_server() {
    let generated = generated();
    if std::env::var_os("STOA_WRITE_TYPES").is_some() {
        std::fs::write(COMMITTED, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(committed == generated, "web-client/sdk/src/signal/wire.ts is stale: run `make types` and commit it");
}
