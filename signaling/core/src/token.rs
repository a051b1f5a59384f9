//! Signed statements: access tokens of the application, and the server's own invitations and proofs. All are JWT, HS256.

use std::fmt;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stoa_base_types::ParticipantId;

use crate::limits::milliseconds;
use crate::message::{DocumentsGrant, Grants};
use crate::name::{RoomName, parse_name};

/// The claims of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Identity: who this is to the application.
    pub sub: String,
    /// Rooms: names or patterns, in which `*` stands for any text.
    pub room: Vec<String>,
    /// End, in seconds since 1970.
    pub exp: u64,
    /// Start, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// Name to show; without it the client chooses one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Rights.
    pub grants: Grants,
}

impl AccessClaims {
    /// What the holder may do with a document: the note of a room has the room's name, and the room's other documents begin with
    /// that and a slash.
    #[must_use]
    pub fn documents(&self, name: &str) -> DocumentsGrant {
        let prefixes = name.match_indices('/').filter_map(|(at, _)| name.get(..at));
        let mut names = prefixes.chain([name]);
        let is_covered = names.any(|name| self.room.iter().any(|pattern| matches_pattern(pattern, name)));
        if is_covered && self.grants.data { self.grants.documents } else { DocumentsGrant::None }
    }
}

/// Signs an access token.
///
/// # Errors
/// A line that says what is wrong with key or claims.
pub fn mint(key: &str, claims: &AccessClaims) -> Result<String, String> {
    check_key(key)?;
    if claims.sub.is_empty() || claims.room.is_empty() {
        return Err("a token needs an identity and at least one room".to_owned());
    }
    sign(key.as_bytes(), claims)
}

/// Tells whether a key is long enough for HS256 ([RFC 7518 § 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
///
/// # Errors
/// A line that says what to do.
pub fn check_key(key: &str) -> Result<(), String> {
    if key.len() < KEY_BYTES {
        return Err(format!("it is too short for HS256; write at least {KEY_BYTES} characters of a random text"));
    }
    Ok(())
}

/// The secrets that statements are signed with.
#[derive(Clone)]
pub struct Keys {
    /// Of access tokens, shared with the application; `None` opens every room to whoever has its link.
    access: Option<Box<str>>,
    /// The server's own.
    own: [u8; 32],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("access", &self.access.is_some()).finish_non_exhaustive()
    }
}

impl Keys {
    /// `own` should stay the same over restarts, so that invitations and participants survive them.
    #[must_use]
    pub fn new(access: Option<String>, own: [u8; 32]) -> Self {
        Self { access: access.map(Into::into), own }
    }

    /// Reads an access token for one room. Without a key nothing is asked, and any token is as good as none.
    pub(crate) fn check_access(&self, token: &str, room: &RoomName, now: Duration) -> Result<AccessClaims, TokenError> {
        let claims = self.read_access(token, now)?;
        if !claims.room.iter().any(|pattern| matches_pattern(pattern, &room.to_string())) {
            return Err(TokenError::new("room", "the token is for another room").forbidden());
        }
        Ok(claims)
    }

    /// Whether rooms and documents ask for access tokens.
    #[must_use]
    pub const fn asks_for_tokens(&self) -> bool {
        self.access.is_some()
    }

    /// Reads an access token whoever presents it: form, signature and times are good; for which room it is, is not asked.
    ///
    /// # Errors
    /// [`TokenError`] names the claim that is wrong.
    pub fn read_access(&self, token: &str, now: Duration) -> Result<AccessClaims, TokenError> {
        let key = self.access.as_deref().ok_or_else(|| TokenError::new("key", "this server checks no tokens"))?;
        let claims = access_claims(verify(key.as_bytes(), token)?)?;
        check_times(claims.nbf, claims.exp, now)?;
        Ok(claims)
    }

    /// An invitation made at `now`, the time of day.
    pub(crate) fn mint_invite(&self, room: &RoomName, now: Duration, expires_at: Duration) -> String {
        self.mint_own(&OwnClaims {
            kind: OwnKind::Invite,
            room: room.to_string(),
            made_ms: Some(milliseconds(now)),
            participant: None,
            moderator: false,
            exp: Some(expires_at.as_secs()),
        })
    }

    /// Tells when a good invitation was made.
    pub(crate) fn check_invite(&self, invite: &str, room: &RoomName, now: Duration) -> Result<Duration, TokenError> {
        let claims = self.verify_own(invite, OwnKind::Invite, room)?;
        check_times(None, claims.exp.unwrap_or_default(), now)?;
        Ok(Duration::from_millis(claims.made_ms.unwrap_or_default()))
    }

    /// Proves that a participant's id was given to the holder. Does not expire: a call may last for days.
    pub(crate) fn mint_proof(&self, room: &RoomName, participant: ParticipantId, moderator: bool) -> String {
        self.mint_own(&OwnClaims {
            kind: OwnKind::Participant,
            room: room.to_string(),
            made_ms: None,
            participant: Some(participant),
            moderator,
            exp: None,
        })
    }

    pub(crate) fn check_proof(&self, proof: &str, room: &RoomName) -> Option<Proven> {
        let claims = self.verify_own(proof, OwnKind::Participant, room).ok()?;
        Some(Proven { id: claims.participant?, was_moderator: claims.moderator })
    }

    fn mint_own(&self, claims: &OwnClaims) -> String {
        // HMAC over a derived Serialize has no way to fail; an empty statement proves nothing.
        sign(&self.own, claims).unwrap_or_default()
    }

    fn verify_own(&self, token: &str, kind: OwnKind, room: &RoomName) -> Result<OwnClaims, TokenError> {
        let claims: OwnClaims = serde_json::from_value(Value::Object(verify(&self.own, token)?))
            .map_err(|_| TokenError::new("kind", "not a statement of this server"))?;
        if claims.kind != kind || claims.room != room.to_string() {
            return Err(TokenError::new("room", "it is for another room or purpose"));
        }
        Ok(claims)
    }
}

/// Why a statement is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenError {
    claim: &'static str,
    why: String,
    /// Good, but not for this room: another token will not be asked for.
    pub(crate) is_forbidden: bool,
}

impl TokenError {
    fn new(claim: &'static str, why: impl Into<String>) -> Self {
        Self { claim, why: why.into(), is_forbidden: false }
    }

    fn forbidden(self) -> Self {
        Self { is_forbidden: true, ..self }
    }
}

impl std::error::Error for TokenError {}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.claim, self.why)
    }
}

/// Whom somebody proves to have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proven {
    pub(crate) id: ParticipantId,
    pub(crate) was_moderator: bool,
}

#[derive(Serialize, Deserialize)]
struct OwnClaims {
    kind: OwnKind,
    room: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    made_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<ParticipantId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    moderator: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OwnKind {
    Invite,
    Participant,
}

fn sign<T: Serialize>(key: &[u8], claims: &T) -> Result<String, String> {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(key))
        .map_err(|error| format!("cannot sign: {error}"))
}

/// Checks form and signature; the library would read the system's clock for the rest, so that is done here.
fn verify(key: &[u8], token: &str) -> Result<Map<String, Value>, TokenError> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &DecodingKey::from_secret(key), &validation);
    decoded.map(|data| data.claims).map_err(|error| {
        let kind = error.kind();
        if matches!(kind, ErrorKind::InvalidSignature) {
            TokenError::new("signature", "made with another key")
        } else if matches!(kind, ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName) {
            TokenError::new("alg", "sign with HS256")
        } else {
            TokenError::new("form", "not a JWT that can be read")
        }
    })
}

fn access_claims(mut claims: Map<String, Value>) -> Result<AccessClaims, TokenError> {
    let sub = match claims.remove("sub") {
        Some(Value::String(sub)) if !sub.is_empty() && sub.len() <= IDENTITY_BYTES => sub,
        _ => return Err(TokenError::new("sub", format!("needs the identity, a text of 1 to {IDENTITY_BYTES} bytes"))),
    };
    let rooms = || TokenError::new("room", "needs a room's name or pattern, or a list of them");
    let room = match claims.remove("room") {
        Some(Value::String(room)) => vec![room],
        Some(Value::Array(rooms_listed)) if rooms_listed.len() <= MAX_ROOMS => rooms_listed
            .into_iter()
            .map(|room| room.as_str().map(str::to_owned).ok_or_else(rooms))
            .collect::<Result<_, _>>()?,
        _ => return Err(rooms()),
    };
    let exp =
        seconds(&mut claims, "exp")?.ok_or_else(|| TokenError::new("exp", "needs the end, in seconds since 1970"))?;
    let nbf = seconds(&mut claims, "nbf")?;
    let name = match claims.remove("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => {
            Some(parse_name(&name, NAME_CHARS).map_err(|why| TokenError::new("name", why.to_string()))?)
        }
        Some(_) => return Err(TokenError::new("name", "must be a text")),
    };
    let grants = match claims.remove("grants") {
        None | Some(Value::Null) => Grants::default(),
        Some(grants) => serde_json::from_value(grants).map_err(|error| TokenError::new("grants", error.to_string()))?,
    };
    Ok(AccessClaims { sub, room, exp, nbf, name, grants })
}

/// JSON knows no integers: some libraries write `1.7e9`.
fn seconds(claims: &mut Map<String, Value>, name: &'static str) -> Result<Option<u64>, TokenError> {
    match claims.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(TokenError::new(name, "must be a whole number of seconds since 1970")),
        },
    }
}

fn check_times(nbf: Option<u64>, exp: u64, now: Duration) -> Result<(), TokenError> {
    let leeway = CLOCK_LEEWAY.as_secs();
    if now.as_secs() >= exp.saturating_add(leeway) {
        return Err(TokenError::new("exp", "it has expired"));
    }
    if nbf.is_some_and(|nbf| nbf > now.as_secs() + leeway) {
        return Err(TokenError::new("nbf", "it is not valid yet"));
    }
    Ok(())
}

/// `*` stands for any text, the empty one included.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

const KEY_BYTES: usize = 32;
const IDENTITY_BYTES: usize = 256;
const NAME_CHARS: usize = 64;
const MAX_ROOMS: usize = 64;
/// How far the application's clock may be off.
pub(crate) const CLOCK_LEEWAY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const NOW: Duration = Duration::from_secs(1_000_000);

    #[expect(clippy::unwrap_in_result, reason = "a test may panic")]
    fn check(claims: &Value) -> Result<AccessClaims, TokenError> {
        let token = sign(KEY.as_bytes(), claims).unwrap();
        Keys::new(Some(KEY.into()), [1; 32]).check_access(&token, &RoomName::parse("agora").unwrap(), NOW)
    }

    fn good() -> Value {
        json!({"sub": "ada@example.org", "room": "agora", "exp": 1_000_060})
    }

    #[test]
    fn a_good_token_is_read() {
        let claims = check(&good()).unwrap();
        assert_eq!((claims.sub.as_str(), claims.grants), ("ada@example.org", Grants::default()));
    }

    #[test]
    fn every_claim_that_is_wrong_is_named() {
        let cases = [
            ("sub", json!(null)),
            ("sub", json!("")),
            ("sub", json!(7)),
            ("sub", json!("x".repeat(257))),
            ("room", json!(null)),
            ("room", json!("stoa")),
            ("room", json!(["stoa", "forum-*"])),
            ("room", json!([7])),
            ("exp", json!(null)),
            ("exp", json!("tomorrow")),
            ("exp", json!(-1)),
            ("exp", json!(999_990)),
            ("nbf", json!(1_000_030)),
            ("nbf", json!("now")),
            ("name", json!("")),
            ("name", json!("A\nda")),
            ("name", json!(["Ada"])),
            ("grants", json!("all")),
            ("grants", json!({"publish": ["smell"]})),
            ("grants", json!({"documents": "burn"})),
            ("grants", json!({"moderate": "yes"})),
            ("grants", json!({"fly": true})),
        ];
        for (claim, value) in cases {
            let mut claims = good();
            claims[claim] = value.clone();
            let error = check(&claims).expect_err(&format!("{claim} = {value}"));
            assert_eq!(error.claim, claim, "{value}: {error}");
        }
    }

    #[test]
    fn a_token_of_another_key_algorithm_or_form_is_refused() {
        let keys = Keys::new(Some(KEY.into()), [1; 32]);
        let room = RoomName::parse("agora").unwrap();
        let claim = |token: &str| keys.check_access(token, &room, NOW).unwrap_err().claim;
        assert_eq!(claim(&sign(b"another key of at least 32 bytes", &good()).unwrap()), "signature");
        let longer =
            jsonwebtoken::encode(&Header::new(Algorithm::HS512), &good(), &EncodingKey::from_secret(KEY.as_bytes()));
        assert_eq!(claim(&longer.unwrap()), "alg");
        // {"alg":"none"} and the claims of a good token, unsigned.
        let body = sign(KEY.as_bytes(), &good()).unwrap().split('.').nth(1).unwrap().to_owned();
        assert_ne!(claim(&format!("eyJhbGciOiJub25lIn0.{body}.")), "");
        for garbage in ["", "a", "a.b.c", "é.é.é", "...."] {
            assert_eq!(claim(garbage), "form", "{garbage:?}");
        }
    }

    #[test]
    fn invitations_and_proofs_hold_for_their_room_and_purpose() {
        let (keys, other) = (Keys::new(None, [1; 32]), Keys::new(None, [2; 32]));
        let (agora, stoa) = (RoomName::parse("agora").unwrap(), RoomName::parse("stoa").unwrap());
        let invite = keys.mint_invite(&agora, NOW, NOW + Duration::from_secs(60));
        assert_eq!(keys.check_invite(&invite, &agora, NOW), Ok(NOW));
        assert!(keys.check_invite(&invite, &stoa, NOW).is_err());
        assert!(keys.check_invite(&invite, &agora, NOW + Duration::from_secs(66)).is_err());
        assert!(other.check_invite(&invite, &agora, NOW).is_err());
        let id = ParticipantId::from_bits(7);
        let proof = keys.mint_proof(&agora, id, true);
        assert_eq!(keys.check_proof(&proof, &agora), Some(Proven { id, was_moderator: true }));
        assert_eq!((keys.check_proof(&proof, &stoa), keys.check_proof(&invite, &agora)), (None, None));
        assert!(keys.check_invite(&proof, &agora, NOW).is_err());
    }

    #[test]
    fn a_token_covers_the_documents_of_its_rooms() {
        let claims = |room: &str, grants: Grants| AccessClaims {
            sub: "ada".into(),
            room: vec![room.into()],
            exp: 1,
            nbf: None,
            name: None,
            grants,
        };
        let write = claims("team-*", Grants::default());
        for (name, expected) in [
            ("team-a", DocumentsGrant::Write),
            ("team-a/minutes/2026", DocumentsGrant::Write),
            ("team", DocumentsGrant::None),
            ("other/team-a", DocumentsGrant::None),
        ] {
            assert_eq!(write.documents(name), expected, "{name}");
        }
        assert_eq!(claims("agora", Grants::default()).documents("agora2"), DocumentsGrant::None);
        let read = Grants { documents: DocumentsGrant::Read, ..Grants::default() };
        assert_eq!(claims("agora", read.clone()).documents("agora/x"), DocumentsGrant::Read);
        assert_eq!(claims("agora", Grants { data: false, ..read }).documents("agora"), DocumentsGrant::None);
    }

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("agora", "agora", true),
            ("agora", "agora2", false),
            ("*", "agora", true),
            ("Team-*", "team-a", true),
            ("team-*", "team", false),
            ("*-a*c", "x-abc", true),
            ("a*a", "a", false),
            ("a*b*c", "aXbYc", true),
            ("", "agora", false),
        ] {
            assert_eq!(matches_pattern(pattern, name), expected, "{pattern} {name}");
        }
    }
}
