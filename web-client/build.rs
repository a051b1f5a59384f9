//! Builds the web client with npm into `OUT_DIR/dist`, whence the crate embeds it.
//!
//! Cargo alone decides when: every source is listed below. `STOA_WEB_CLIENT=skip` embeds a one-line page instead.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let dist = PathBuf::from(variable("OUT_DIR")).join("dist");
    println!("cargo::rerun-if-env-changed=STOA_WEB_CLIENT");
    for source in SOURCES {
        let path = root.join(source);
        // A path that is missing would make every build look stale.
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    let result = if env::var("STOA_WEB_CLIENT").is_ok_and(|value| value == "skip") {
        write_placeholder(&dist).map_err(|error| format!("cannot write {}: {error}", dist.display()))
    } else {
        build(&root, &dist)
    };
    if let Err(error) = result {
        println!("cargo::error={error}");
    }
}

fn build(root: &Path, dist: &Path) -> Result<(), String> {
    // Two profiles may build at once, and both need node_modules. Any file of the package serves as the lock.
    let lock =
        File::open(root.join("package-lock.json")).map_err(|error| format!("web-client/package-lock.json: {error}"))?;
    lock.lock().map_err(|error| format!("cannot lock web-client/package-lock.json: {error}"))?;
    if is_install_stale(root) {
        npm(root, dist, &["ci", "--no-audit", "--no-fund"])?;
    }
    npm(root, dist, &["run", "build"])
}

/// npm writes `.package-lock.json` at the end of every install.
fn is_install_stale(root: &Path) -> bool {
    let modified = |path: &str| fs::metadata(root.join(path)).and_then(|data| data.modified()).ok();
    match (modified("node_modules/.package-lock.json"), modified("package-lock.json")) {
        (Some(installed), Some(wanted)) => installed < wanted,
        _ => true,
    }
}

fn npm(root: &Path, dist: &Path, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(root).env("STOA_WEB_CLIENT_OUT", dist);
    // Cargo's names mean other things to npm and its tools.
    for name in ["DEBUG", "HOST", "TARGET", "PROFILE", "NODE_ENV"] {
        command.env_remove(name);
    }
    let shown = arguments.join(" ");
    let output = command.output().map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            "npm is missing: the web client is built with Node.js 20 or newer and npm. Install them, or set \
             STOA_WEB_CLIENT=skip to build the server without the web client"
                .to_owned()
        } else {
            format!("cannot run npm {shown}: {error}")
        }
    })?;
    if output.status.success() {
        return Ok(());
    }
    for line in [&output.stdout, &output.stderr]
        .into_iter()
        .flat_map(|text| String::from_utf8_lossy(text).lines().map(str::to_owned).collect::<Vec<_>>())
    {
        println!("cargo::warning={line}");
    }
    Err(format!("npm {shown} failed in web-client ({}); its output stands above", output.status))
}

fn write_placeholder(dist: &Path) -> io::Result<()> {
    fs::create_dir_all(dist)?;
    let page = "<!doctype html><html lang=\"en\"><title>Stoa</title><p>This server was built without the web client.</p></html>\n";
    fs::write(dist.join("index.html"), page)
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

const SOURCES: [&str; 19] = [
    "app/src",
    "app/public",
    "app/index.html",
    "app/package.json",
    "app/tsconfig.json",
    "app/vite.config.ts",
    "app/vite-brotli.ts",
    "sdk/src",
    "sdk/package.json",
    "sdk/tsconfig.json",
    "yjs/src",
    "yjs/package.json",
    "yjs/tsconfig.json",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "tsconfig.base.json",
    ".npmrc",
    "build.rs",
];
