use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::rand::{GetRandomFlags, getrandom};
use stoa_base_net::{Features, Group, Handler};
use stoa_crdt_sync_server::Documents;
use stoa_crdt_sync_server::rest::{Erasers, RestOptions};
use stoa_signaling_core::Limits;
use stoa_signaling_core::token::Keys;
use stoa_signaling_server::Server;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::config::{self, Config};
use crate::documents::{RoomChat, RoomDocuments};
use crate::rights;
use crate::shutdown::Signals;
use crate::{assets, cli, media, relay, telemetry};

/// Starts every part, runs until a signal, drains.
pub(crate) fn serve(config: Config) -> Result<(), String> {
    raise_file_limit();
    let data_dir = prepare_data_dir(&config.data_dir)?;
    let render_metrics = telemetry::start_metrics()?;
    let (relay, media, udp) = start_udp(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    let entered = runtime.enter();
    let relay = relay.start(&udp, RELAY_HANDLER)?;
    let media = media.start(&udp, MEDIA_HANDLER)?;
    let (is_secure, limits) = (config.tls.is_some(), limits(&config));
    let keys = Keys::new(config.auth_key, server_key(&data_dir)?);
    let documents = start_documents(&data_dir, config.documents)?;
    let authorize = rights::authorize(keys.clone());
    let has_admins = config.admin_token.is_some() || keys.asks_for_tokens();
    let is_admin = has_admins.then(|| rights::is_admin(keys.clone(), config.admin_token));
    let rest = RestOptions {
        documents: documents.clone(),
        authorize: authorize.clone(),
        is_admin: is_admin.clone(),
        erasers: if keys.asks_for_tokens() { Erasers::Admins } else { Erasers::Writers },
    };
    let routes = stoa_crdt_sync_server::sockets(documents.clone(), authorize.clone())
        .merge(stoa_crdt_sync_server::rest::router(rest))
        .merge(stoa_crdt_sync_server::webrtc_signaling::router(&documents, authorize))
        .merge(stoa_turn_relay_server::rest::router(relay.rest_options(is_admin)));
    let server = stoa_signaling_server::Config {
        documents: Some(Arc::new(RoomDocuments(documents.clone()))),
        media: Some(media),
        chat: Some(Arc::new(RoomChat(documents.chat().clone()))),
        routes,
        listen: config.http_listen,
        tls: config.tls,
        allowed_origins: config.allowed_origins,
        stun: relay.stun.clone(),
        limits,
        trusted_proxies: config.trusted_proxies,
        keys,
        seed: seed()?,
        assets: assets::find,
        render_metrics,
    };
    drop(entered);
    let result = runtime.block_on(async {
        let mut signals = Signals::take_over().map_err(|error| format!("cannot wait for signals: {error}"))?;
        let mut server = Server::start(server).await.map_err(|error| error.to_string())?;
        relay.deny(&[server.address()]);
        relay.settled().await;
        announce(server.address(), is_secure, udp.addresses(), &data_dir);
        tokio::select! {
            () = signals.requested() => {}
            () = server.failed() => return Err("signaling ended by itself; this is a bug, please report the log".to_owned()),
        }
        // New calls begin elsewhere; those that are there may go on while the rest ends.
        let _ = relay.control.drain();
        let drained = async {
            server.drain(DRAIN_PATIENCE).await;
            if timeout(COMMIT_PATIENCE, documents.drain()).await.is_err() {
                warn!("the disk did not take everything in time; what it did not take was never acknowledged");
            }
        };
        tokio::select! {
            () = drained => {}
            () = signals.insisted() => {}
        }
        Ok(())
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    udp.stop();
    if result.is_ok() {
        info!("stopped");
    }
    result
}

/// What signaling accepts, where the settings say something else than usual.
fn limits(config: &Config) -> Limits {
    Limits {
        room_participants: config.max_participants,
        mesh_max: config.mesh_max,
        address_rate: config.rates.address_rate,
        address_burst: config.rates.address_burst,
        credentials_rate: config.rates.credentials_rate,
        credentials_burst: config.rates.credentials_burst,
        identity_rate: config.rates.identity_rate,
        identity_burst: config.rates.identity_burst,
        ..Limits::default()
    }
}

/// Starts the media workers with the SFU and the relay on them.
fn start_udp(config: &Config) -> Result<(relay::Prepared, media::Prepared, Group), String> {
    let workers = Some(config.udp_workers).filter(|workers| *workers > 0);
    let workers = workers.unwrap_or_else(|| available_parallelism().map_or(1, Into::into));
    let relay = relay::prepare(config, workers)?;
    let media = media::prepare(&config.udp_listen, &config.external_addresses, &relay.interfaces)?;
    let (relay_handler, media_handler) = (relay.relay.handlers(), media.handlers());
    let handlers =
        move |worker| -> Vec<Box<dyn Handler>> { vec![Box::new(media_handler(worker)), relay_handler(worker)] };
    let udp = Group::start_with(&config.udp_listen, workers, Features::ALL, handlers)
        .map_err(|error| format!("{error}; choose another address with --udp or STOA_UDP"))?;
    Ok((relay, media, udp))
}

fn start_documents(data_dir: &Path, settings: config::Documents) -> Result<Documents, String> {
    let mut config = stoa_crdt_sync_server::Config::new(data_dir);
    config.commit_interval = settings.commit_interval;
    config.limits.quota_bytes = settings.quota.unwrap_or(0);
    config.limits.hub.document_bytes = settings.document_bytes;
    Documents::start(&config).map_err(|error| error.to_string())
}

/// Tells the address to open and where the data is.
fn announce(address: SocketAddr, is_secure: bool, udp: &[SocketAddr], data_dir: &Path) {
    let scheme = if is_secure { "https" } else { "http" };
    let is_local = address.ip().is_loopback() || address.ip().is_unspecified();
    let url =
        if is_local { format!("{scheme}://localhost:{}", address.port()) } else { format!("{scheme}://{address}") };
    let udp = udp.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    info!(%url, %udp, data = %data_dir.display(), "ready");
    cli::print(&format!(
        "Stoa is ready.\n  open  {url}\n  http  {address}\n  udp   {udp}\n  data  {}\n",
        data_dir.display()
    ));
}

/// Makes the folder when missing, readable by nobody else; returns its full path.
fn prepare_data_dir(dir: &Path) -> Result<PathBuf, String> {
    let mend = "choose another folder with --data or STOA_DATA";
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| fs::canonicalize(dir))
        .map_err(|error| format!("cannot use the data folder {}: {error}; {mend}", dir.display()))
}

/// Every socket is a file, and the usual soft limit of 1,024 is far below what the server can hold.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        warn!(%error, "cannot raise the limit of open files");
    }
}

/// The server's own key, kept so that invitations and participants outlive a restart.
fn server_key(data_dir: &Path) -> Result<[u8; 32], String> {
    let path = data_dir.join("server.key");
    match fs::read(&path) {
        Ok(bytes) => bytes
            .try_into()
            .map_err(|_| format!("{} does not hold 32 bytes; remove it, and open invitations end", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = seed()?;
            write_private(&path, &key).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            Ok(key)
        }
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// Writes aside and renames, so that a crash leaves no half of a key.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)
}

fn seed() -> Result<[u8; 32], String> {
    let mut seed = [0; 32];
    match getrandom(&mut seed, GetRandomFlags::empty()) {
        Ok(32) => Ok(seed),
        Ok(_) => Err("the system gave too few random bytes".into()),
        Err(error) => Err(format!("the system gives no random bytes: {error}")),
    }
}

/// Places among the handlers of each worker. The SFU is asked first: it knows its own datagrams, and the relay takes all STUN.
const MEDIA_HANDLER: usize = 0;
const RELAY_HANDLER: usize = 1;
/// Leaves time for the rest within the 10 s that a drain may take.
const DRAIN_PATIENCE: Duration = Duration::from_secs(7);
/// A disk that still refuses then keeps nobody waiting.
const COMMIT_PATIENCE: Duration = Duration::from_secs(2);
