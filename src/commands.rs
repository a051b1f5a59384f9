//! Commands other than `serve`.
#![expect(clippy::disallowed_methods, reason = "driver: a token is dated by the system's clock")]

use std::time::{SystemTime, UNIX_EPOCH};

use stoa_signaling_core::message::Grants;
use stoa_signaling_core::token::{self, AccessClaims};

use crate::cli::TokenArguments;
use crate::config::Config;

/// `stoa token`: signs an access token.
pub(crate) fn token(arguments: &TokenArguments, config: Config) -> Result<String, String> {
    let key = config.auth_key.ok_or(
        "auth.key is not set: without it rooms ask for no tokens; set STOA_AUTH_KEY or name a file with --config",
    )?;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| "the system's clock is before 1970")?;
    let claims = AccessClaims {
        sub: arguments.identity.clone(),
        room: arguments.room.clone(),
        exp: (since_1970 + arguments.expires_in).as_secs(),
        nbf: None,
        name: arguments.name.clone(),
        grants: Grants {
            publish: arguments.publish.0.clone(),
            subscribe: !arguments.no_subscribe,
            data: !arguments.no_data,
            documents: arguments.documents,
            moderate: arguments.moderate,
            admin: arguments.admin,
        },
    };
    token::mint(&key, &claims)
}
