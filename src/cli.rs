#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the terminal is this file's business")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Calls and live documents in one binary that you host yourself.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the server (the default).
    Serve(ServeArguments),
    /// Shows settings.
    Config(ConfigArguments),
}

/// A flag beats the environment, which beats the file.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArguments {
    /// Address for HTTP (STOA_LISTEN; default 127.0.0.1:8080)
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Addresses for UDP, a comma list (STOA_UDP; default 0.0.0.0:3478)
    #[arg(long, value_name = "ADDR")]
    pub(crate) udp: Option<String>,
    /// Folder for everything that is kept (STOA_DATA; default ./stoa-data)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
    /// Settings file, TOML; see `stoa config --print-default` (STOA_CONFIG)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Form of the log on standard error (STOA_LOG_FORMAT; default text)
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for a terminal.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    /// Prints a settings file that holds every key with its default.
    #[arg(long, required = true)]
    pub(crate) print_default: bool,
}

/// Prints to standard output.
pub(crate) fn print(text: &str) {
    print!("{text}");
}

/// Prints one line to standard error.
pub(crate) fn complain(text: &str) {
    eprintln!("stoa: {text}");
}
