//! The document server from outside: real sockets, real disks, and ones that fail on command.
#![forbid(unsafe_code)]

mod client;
mod faults;
mod hocuspocus;
mod native;
mod plain;
mod rest;
mod server;
mod slow;
mod storage;
