//! The servers that are compared, and how each is spoken to.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::wire::Dialect;
use crate::Outcome;
use crate::series::{FLOOR, OURS};
use crate::server::{self, Server};

/// A server and one of its ways in.
pub(crate) struct Venue {
    pub(crate) name: &'static str,
    pub(crate) server: Server,
    pub(crate) dialect: Dialect,
    /// Without the document, which the plain dialect appends.
    path: &'static str,
    /// Whether it is the bare loop: frames without an upgrade or a conversation before them.
    pub(crate) is_bare: bool,
    /// Removed after the server has ended.
    data: Option<TempDir>,
}

impl Venue {
    /// Ours, where plain y-protocols are spoken.
    pub(crate) fn ours_plain() -> Outcome<Self> {
        Self::ours(Dialect::Plain, "/yjs/")
    }

    /// Ours, where every update is acknowledged after its commit.
    pub(crate) fn ours_hocuspocus() -> Outcome<Self> {
        Self::ours(Dialect::Hocuspocus, "/hocuspocus")
    }

    fn ours(dialect: Dialect, path: &'static str) -> Outcome<Self> {
        let data = data_folder()?;
        let server = Server::stoa_in(data.path(), &SETTINGS)?;
        Ok(Self { name: OURS, server, dialect, path, is_bare: false, data: Some(data) })
    }

    /// Ends our server in good order and starts it anew over the same documents.
    pub(crate) fn restart(self) -> Outcome<Self> {
        self.restart_after(|_| Ok(()))
    }

    /// The same, with something done to the data folder in between.
    pub(crate) fn restart_after(self, act: fn(&Path) -> Outcome<()>) -> Outcome<Self> {
        let data = self.data.ok_or("only ours keeps documents")?;
        self.server.stop()?;
        act(data.path())?;
        let server = Server::stoa_in(data.path(), &SETTINGS)?;
        Ok(Self { server, data: Some(data), ..self })
    }

    pub(crate) fn hocuspocus() -> Outcome<Self> {
        let server = Server::node(&rivals()?.join("hocuspocus.js"))?;
        let (dialect, path) = (Dialect::Hocuspocus, "/");
        Ok(Self { name: "Hocuspocus", server, dialect, path, is_bare: false, data: None })
    }

    pub(crate) fn y_websocket() -> Outcome<Self> {
        let server = Server::node(&rivals()?.join("y-websocket.js"))?;
        Ok(Self { name: "y-websocket", server, dialect: Dialect::Plain, path: "/", is_bare: false, data: None })
    }

    /// A bare loop that is spoken to in this dialect.
    pub(crate) fn floor(server: Server, dialect: Dialect, is_bare: bool) -> Self {
        Self { name: FLOOR, server, dialect, path: "/", is_bare, data: None }
    }

    /// What to upgrade at.
    pub(crate) fn path(&self, doc: &str) -> String {
        match self.dialect {
            Dialect::Plain => format!("{}{doc}", self.path),
            Dialect::Hocuspocus => self.path.to_owned(),
        }
    }
}

/// A folder on the disk where cargo builds, as the folder for temporary files may be memory.
pub(crate) fn data_folder() -> Outcome<TempDir> {
    let parent = server::target_folder()?.join("bench");
    std::fs::create_dir_all(&parent)?;
    Ok(TempDir::with_prefix_in("docs-", parent)?)
}

/// Where the other servers' packages are.
fn rivals() -> Outcome<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/rivals");
    if folder.join("node_modules").exists() {
        Ok(folder)
    } else {
        Err(format!("run npm ci in {} first", folder.display()).into())
    }
}

/// All clients of a benchmark come from one address.
const SETTINGS: [(&str, &str); 0] = [];
