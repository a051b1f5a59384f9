//! `stoa`: calls and live documents in one binary that you host yourself.
#![forbid(unsafe_code)]

mod assets;
mod cli;
mod commands;
mod config;
mod docs;
mod documents;
mod media;
mod relay;
mod rights;
mod settings;
mod shutdown;
mod telemetry;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Arguments, Command, ConfigArguments, DocsArguments, ServeArguments, TokenArguments};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Serve(serve)) => run(&serve),
        Some(Command::Config(ConfigArguments { print_default: _ })) => {
            cli::print(config::DEFAULT_FILE);
            ExitCode::SUCCESS
        }
        Some(Command::Token(token)) => mint(&token),
        Some(Command::Docs(docs)) => look_after(&docs),
        None => run(&arguments.serve),
    }
}

fn mint(arguments: &TokenArguments) -> ExitCode {
    let serve = ServeArguments { config: arguments.config.clone(), ..ServeArguments::default() };
    let token =
        config::load(&serve).map_err(|error| error.to_string()).and_then(|config| commands::token(arguments, config));
    match token {
        Ok(token) => {
            cli::print(&format!("{token}\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            cli::complain(&error);
            ExitCode::from(USAGE)
        }
    }
}

fn look_after(arguments: &DocsArguments) -> ExitCode {
    let (data, config) = (arguments.data.clone(), arguments.config.clone());
    let config = match config::load(&ServeArguments { data, config, ..ServeArguments::default() }) {
        Ok(config) => config,
        Err(error) => {
            cli::complain(&error.to_string());
            return ExitCode::from(USAGE);
        }
    };
    match docs::run(&arguments.command, &config.data_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &ServeArguments) -> ExitCode {
    let config = match config::load(arguments) {
        Ok(config) => config,
        Err(error) => {
            cli::complain(&error.to_string());
            return ExitCode::from(USAGE);
        }
    };
    telemetry::start(config.log_format);
    match wiring::serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Exit status for wrong settings, the same that clap uses for wrong flags.
const USAGE: u8 = 2;
