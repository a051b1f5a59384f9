#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the terminal is this file's business")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use stoa_signaling_core::message::{DocumentsGrant, Source};

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
    /// Signs an access token with the key in auth.key (STOA_AUTH_KEY) and prints it.
    Token(TokenArguments),
    /// Looks after the documents in a data folder.
    Docs(DocsArguments),
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

#[derive(Debug, Args)]
pub(crate) struct TokenArguments {
    /// Who it is for, as the application knows them.
    #[arg(long)]
    pub(crate) identity: String,
    /// Room, or a pattern in which * stands for any text; may be repeated.
    #[arg(long, required = true)]
    pub(crate) room: Vec<String>,
    /// Name to show; without it they choose one.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// How long it is good, such as 90s, 15m, 8h or 30d.
    #[arg(long, default_value = "8h", value_parser = parse_lifetime)]
    pub(crate) expires_in: Duration,
    /// What they may publish: a comma list of microphone, camera, screen, or none.
    #[arg(long, default_value = "microphone,camera,screen", value_parser = parse_publish)]
    pub(crate) publish: Publish,
    /// What they may do with documents: none, read or write.
    #[arg(long, default_value = "write", value_parser = parse_documents)]
    pub(crate) documents: DocumentsGrant,
    /// They may not receive what others publish.
    #[arg(long)]
    pub(crate) no_subscribe: bool,
    /// They may not send data to others.
    #[arg(long)]
    pub(crate) no_data: bool,
    /// They may mute, remove, lock and invite.
    #[arg(long)]
    pub(crate) moderate: bool,
    /// They may use the admin endpoints.
    #[arg(long)]
    pub(crate) admin: bool,
    /// Settings file that holds the key (STOA_CONFIG)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DocsArguments {
    #[command(subcommand)]
    pub(crate) command: DocsCommand,
    /// Folder in which everything is kept (STOA_DATA; default ./stoa-data)
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data: Option<String>,
    /// Settings file that names the folder (STOA_CONFIG)
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DocsCommand {
    /// Writes a copy of all documents into a new file, also while a server runs.
    Backup {
        /// The file to make.
        file: PathBuf,
    },
    /// Lists the documents: name, epoch, size in bytes, time of the last change; separated by tabs.
    List,
    /// Writes a document's whole state, a Yjs update (V1), into a new file, or to standard output.
    Export {
        /// Name of the document.
        doc: String,
        /// The file to make; - for standard output.
        file: PathBuf,
    },
    /// Merges a Yjs update (V1) into a document; no server may be running on the folder.
    Import {
        /// Name of the document; made when missing.
        doc: String,
        /// The file to read; - for standard input.
        file: PathBuf,
    },
    /// Reads everything and reports what is damaged; exit status 1 if anything is.
    Verify,
}

/// What a token lets somebody publish.
#[derive(Debug, Clone)]
pub(crate) struct Publish(pub(crate) Vec<Source>);

fn parse_publish(text: &str) -> Result<Publish, String> {
    if text == "none" {
        return Ok(Publish(Vec::new()));
    }
    let parse = |word: &str| match word.trim() {
        "microphone" => Ok(Source::Microphone),
        "camera" => Ok(Source::Camera),
        "screen" => Ok(Source::Screen),
        _ => Err("write a comma list of microphone, camera and screen, or none".to_owned()),
    };
    text.split(',').map(parse).collect::<Result<_, _>>().map(Publish)
}

fn parse_documents(text: &str) -> Result<DocumentsGrant, String> {
    match text {
        "none" => Ok(DocumentsGrant::None),
        "read" => Ok(DocumentsGrant::Read),
        "write" => Ok(DocumentsGrant::Write),
        _ => Err("write none, read or write".to_owned()),
    }
}

fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let mend = || "write a number and a unit, such as 90s, 15m, 8h or 30d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(mend)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(mend()),
    };
    let number: u32 = number.parse().map_err(|_| mend())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// Prints to standard output.
pub(crate) fn print(text: &str) {
    print!("{text}");
}

/// Prints one line to standard error.
pub(crate) fn complain(text: &str) {
    eprintln!("stoa: {text}");
}
