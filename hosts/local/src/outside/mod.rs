//! The outside as this host reaches it: the providers over HTTP, files in the data directory, and the tasks in
//! which effects are carried out.

mod blobs;
mod carry_out;
mod old_files;

pub(crate) use blobs::FileBlobs;
pub(crate) use carry_out::{Ground, carry_out};
pub(crate) use old_files::{OldFiles, collect_files};
