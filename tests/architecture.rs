//! The shape of the workspace: arrows between crates, and budgets of files.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec().unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Whether one of our crates may depend on another.
fn is_allowed(from: &str, to: &str) -> bool {
    let part =
        |name: &str| name.strip_prefix("stoa-").and_then(|name| name.rsplit_once('-')).map(|(part, _)| part.to_owned());
    match from {
        "stoa" => true,
        "stoa-base-types" | "stoa-web-client" => false,
        "stoa-base-net" => to == "stoa-base-types",
        _ if from.ends_with("-core") => to == "stoa-base-types",
        _ if from.ends_with("-store") => to == "stoa-base-types" || part(from) == part(to) && to.ends_with("-core"),
        _ if from.ends_with("-server") => {
            to.starts_with("stoa-base-") || part(from) == part(to) && (to.ends_with("-core") || to.ends_with("-store"))
        }
        _ => false,
    }
}

#[test]
fn arrows_only_point_down() {
    let metadata = metadata();
    let ours: BTreeSet<_> = metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
    assert!(ours.len() >= 8, "{ours:?}");
    for package in metadata.workspace_packages() {
        let arrows = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
        for dependency in arrows.filter(|dependency| ours.contains(&dependency.name)) {
            assert!(
                is_allowed(&package.name, &dependency.name),
                "{} must not depend on {}",
                package.name,
                dependency.name
            );
        }
    }
}

#[test]
fn no_core_knows_a_runtime_a_socket_or_a_source_of_randomness() {
    for package in metadata().workspace_packages() {
        let is_pure = package.name.ends_with("-core") || package.name.as_str() == "stoa-base-types";
        if !is_pure {
            continue;
        }
        // Unlike the metadata, the tree leaves out what other platforms or other crates' features would bring.
        let arguments = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package"];
        let tree = Command::new(env!("CARGO")).args(arguments).arg(package.name.as_str()).current_dir(root()).output();
        let tree = String::from_utf8(tree.unwrap().stdout).unwrap();
        let names: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(names.contains(package.name.as_str()), "{tree}");
        for name in names {
            // The WebRTC engine draws its own keys, and takes the time and all bytes from outside as the cores do.
            if package.name.as_str() == "stoa-sfu-core" && name == "getrandom" {
                continue;
            }
            assert!(!IMPURE.contains(&name), "{} must not reach {name}", package.name);
        }
    }
}

const IMPURE: [&str; 8] = ["tokio", "axum", "hyper", "mio", "socket2", "rustix", "getrandom", "async-std"];

#[test]
fn every_crate_says_what_it_is_and_only_base_net_may_be_unsafe() {
    for package in metadata().workspace_packages() {
        for target in &package.targets {
            let is_root = target.is_lib() || target.is_bin();
            if !is_root {
                continue;
            }
            let text = fs::read_to_string(&target.src_path).unwrap();
            assert!(text.starts_with("//! "), "{} lacks its //! docs", target.src_path);
            let may_be_unsafe = package.name.as_str() == "stoa-base-net";
            assert!(
                may_be_unsafe || text.contains("#![forbid(unsafe_code)]"),
                "{} must forbid unsafe code",
                target.src_path
            );
        }
    }
}

#[test]
fn files_stay_small() {
    let mut checked = 0;
    for file in sources(&root()) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        let most = if file.ends_with("src/main.rs") { 100 } else { 600 };
        assert!(lines <= most, "{} has {lines} lines, the budget is {most}", file.display());
        checked += 1;
    }
    assert!(checked > 60, "only {checked} files were found");
}

/// Addresses of download hosts would tie a build to one mirror; npm writes them into lock files unless told not to.
#[test]
fn lock_files_carry_no_download_addresses() {
    for lock in ["web-client", "tests/browser", "tests/interop", "tests/interop/rivals"] {
        let lock = format!("{lock}/package-lock.json");
        let text = fs::read_to_string(root().join(&lock)).unwrap();
        assert!(!text.contains("\"resolved\": \"http"), "{lock} names a download host");
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules", "dist"].contains(&name.as_str()) {
                found.extend(sources(&path));
            }
        } else if [".rs", ".ts", ".tsx", ".css"].iter().any(|end| name.ends_with(end)) && name != "wire.ts" {
            found.push(path);
        }
    }
    found
}
