//! What tokens allow, in the words of each part.
#![expect(clippy::disallowed_methods, reason = "driver: tokens end by the system's clock")]

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stoa_base_types::{Access, DocName};
use stoa_crdt_sync_server::access::{Authorize, Denied, DeniedKind};
use stoa_crdt_sync_server::rest::IsAdmin;
use stoa_signaling_core::message::DocumentsGrant;
use stoa_signaling_core::token::Keys;
use subtle::ConstantTimeEq;

/// Who may do what with documents: anybody everything, or what their token says.
pub(crate) fn authorize(keys: Keys) -> Authorize {
    Arc::new(move |token, doc| {
        if !keys.asks_for_tokens() {
            return Ok(Access::Write);
        }
        let denied = |kind, why: String| Denied { kind, why };
        let token = token.ok_or_else(|| {
            let why = "this server asks for a token; get one from the application that sent you here".to_owned();
            denied(DeniedKind::NotAuthenticated, why)
        })?;
        let claims = keys.read_access(token, time_of_day());
        let claims = claims
            .map_err(|error| denied(DeniedKind::NotAuthenticated, format!("this token is not accepted: {error}")))?;
        access(claims.documents(doc.as_str()))
            .ok_or_else(|| denied(DeniedKind::Forbidden, "this token does not cover the document".to_owned()))
    })
}

/// The holder of the admin token, or of an access token with the `admin` grant.
pub(crate) fn is_admin(keys: Keys, admin_token: Option<String>) -> IsAdmin {
    Arc::new(move |token| {
        let Some(token) = token else { return false };
        let is_ours = |ours: &String| bool::from(ours.as_bytes().ct_eq(token.as_bytes()));
        let is_granted = || keys.read_access(token, time_of_day()).is_ok_and(|claims| claims.grants.admin);
        admin_token.as_ref().is_some_and(is_ours) || keys.asks_for_tokens() && is_granted()
    })
}

/// What somebody in a room may do with a document: with the room's own, what their grant says; with others, nothing on this way.
pub(crate) fn in_room(room: &str, documents: DocumentsGrant, doc: &DocName) -> Option<Access> {
    let rest = doc.as_str().strip_prefix(room)?;
    if rest.is_empty() || rest.starts_with('/') { access(documents) } else { None }
}

pub(crate) const fn access(documents: DocumentsGrant) -> Option<Access> {
    match documents {
        DocumentsGrant::None => None,
        DocumentsGrant::Read => Some(Access::Read),
        DocumentsGrant::Write => Some(Access::Write),
    }
}

fn time_of_day() -> Duration {
    // A clock before 1970 is no clock; tokens then count as not valid yet.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use stoa_signaling_core::message::Grants;
    use stoa_signaling_core::token::{AccessClaims, mint};

    use super::*;

    const KEY: &str = "a key of at least thirty-two bytes";

    fn token(room: &str, grants: Grants) -> String {
        let exp = time_of_day().as_secs() + 60;
        mint(KEY, &AccessClaims { sub: "ada".into(), room: vec![room.into()], exp, nbf: None, name: None, grants })
            .unwrap()
    }

    fn doc(name: &str) -> DocName {
        DocName::new(name).unwrap()
    }

    #[test]
    fn without_a_key_whoever_has_the_link_may_write() {
        let authorize = authorize(Keys::new(None, [0; 32]));
        assert_eq!(authorize(None, &doc("agora")), Ok(Access::Write));
        assert_eq!(authorize(Some("anything"), &doc("agora")), Ok(Access::Write));
    }

    #[test]
    fn with_a_key_the_token_decides() {
        let authorize = authorize(Keys::new(Some(KEY.into()), [0; 32]));
        let read = Grants { documents: DocumentsGrant::Read, ..Grants::default() };
        let kind = |token: Option<&str>, name: &str| authorize(token, &doc(name)).map_err(|denied| denied.kind);
        assert_eq!(kind(None, "agora"), Err(DeniedKind::NotAuthenticated));
        assert_eq!(kind(Some("junk"), "agora"), Err(DeniedKind::NotAuthenticated));
        assert_eq!(kind(Some(&token("agora", read)), "agora/x"), Ok(Access::Read));
        assert_eq!(kind(Some(&token("agora", Grants::default())), "stoa"), Err(DeniedKind::Forbidden));
    }

    #[test]
    fn a_room_has_its_own_documents_and_no_others() {
        for (name, expected) in [("agora", true), ("agora/plan", true), ("agora2", false), ("stoa", false)] {
            assert_eq!(in_room("agora", DocumentsGrant::Write, &doc(name)).is_some(), expected, "{name}");
        }
        assert_eq!(in_room("agora", DocumentsGrant::None, &doc("agora")), None);
    }

    #[test]
    fn admins_have_the_token_or_the_grant() {
        let admin = is_admin(Keys::new(Some(KEY.into()), [0; 32]), Some("the admin's token".into()));
        assert!(admin(Some("the admin's token")));
        assert!(admin(Some(&token("x", Grants { admin: true, ..Grants::default() }))));
        assert!(!admin(Some(&token("x", Grants::default()))));
        assert!(!admin(None) && !admin(Some("")) && !admin(Some("the admin's token ")));
        let open = is_admin(Keys::new(None, [0; 32]), None);
        assert!(!open(Some("anything")), "an open server has no admin");
    }
}
