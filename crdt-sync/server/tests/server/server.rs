//! A document server on a port of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use stoa_base_types::Access;
use stoa_crdt_sync_server::access::{Authorize, Denied, DeniedKind};
use stoa_crdt_sync_server::rest::{self, Erasers, RestOptions};
use stoa_crdt_sync_server::{Config, Documents, sockets};
use stoa_crdt_sync_store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Which tokens mean what; may change while the server runs. The empty map: everybody may write.
pub(crate) type Tokens = Arc<Mutex<BTreeMap<String, Access>>>;

pub(crate) struct Server {
    pub(crate) documents: Documents,
    pub(crate) address: String,
    pub(crate) router: Router,
    #[expect(dead_code, reason = "shared with the server while it lives")]
    tokens: Tokens,
    task: JoinHandle<()>,
}

pub(crate) fn authorize(tokens: &Tokens) -> Authorize {
    let tokens = Arc::clone(tokens);
    Arc::new(move |token, _| {
        let tokens = tokens.lock().unwrap();
        if tokens.is_empty() {
            return Ok(Access::Write);
        }
        let Some(token) = token else {
            return Err(Denied { kind: DeniedKind::NotAuthenticated, why: "a token is needed".to_owned() });
        };
        let denied = || Denied { kind: DeniedKind::Forbidden, why: "the token is not good".to_owned() };
        tokens.get(token).copied().ok_or_else(denied)
    })
}

impl Server {
    pub(crate) async fn start(dir: &Path) -> Self {
        let config = Config::new(dir);
        Self::serve(Documents::start(&config).unwrap(), &[]).await
    }

    pub(crate) async fn with_tokens(dir: &Path, tokens: &[(&str, Access)]) -> Self {
        Self::serve(Documents::start(&Config::new(dir)).unwrap(), tokens).await
    }

    pub(crate) async fn on(store: Box<dyn Store>, config: &Config) -> Self {
        Self::serve(Documents::start_on(store, config).unwrap(), &[]).await
    }

    async fn serve(documents: Documents, tokens: &[(&str, Access)]) -> Self {
        let tokens = tokens.iter().map(|(token, access)| ((*token).to_owned(), *access)).collect();
        let tokens: Tokens = Arc::new(Mutex::new(tokens));
        let rest = rest::router(RestOptions {
            documents: documents.clone(),
            authorize: authorize(&tokens),
            is_admin: Some(Arc::new(|token| token == Some("admin"))),
            erasers: if tokens.lock().unwrap().is_empty() { Erasers::Writers } else { Erasers::Admins },
        });
        let router = sockets(documents.clone(), authorize(&tokens)).merge(rest);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = router.clone();
        let task = tokio::spawn(async move { axum::serve(listener, served).await.unwrap() });
        Self { documents, address, router, tokens, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Sends everybody away and closes the store.
    pub(crate) async fn stop(self) {
        self.documents.drain().await;
        self.task.abort();
    }
}
