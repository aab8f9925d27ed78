//! A hub that moves between AWS and a file: `switchboard-aws export` and `import`. The file's format is in
//! `switchboard_hosts::handover`; one machine has the same commands (`switchboard`).
//!
//! # Operation
//! Exporting wants a stack at rest: its listeners paused (`pause`), nothing in their queues. What is delayed in a queue
//! is only a reminder; what is to be done stands in the tables.
//!
//! Importing writes all rows first, and only then sends the reminders of what is open: so nothing acts on a row that
//! an import which is begun again might still write. A row of the journal's table says how far it is:
//! ```text
//!   m#   import   id, line, and whether all rows are there (`woken`: how many lines have been looked at for reminders)
//! ```

mod export;
mod files;
mod import;
mod pause;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use anyhow::{Context, Result};

use crate::Clients;
use crate::blobs::Bucket;
use crate::bus::Bus;
use crate::functions::bridge_of;
use crate::queue::Queue;
use crate::stack::Deployed;
use crate::store::Table;

pub(crate) use pause::mappings;
pub use pause::{pause, resume};

/// Where the parts of a deployed house are, as its functions were told.
struct Places<'a> {
    clients: &'a Clients,
    functions: &'a [Deployed],
    /// By bridge.
    tables: BTreeMap<String, Table>,
    journal: String,
    bus: Bus,
    media: Option<(String, Bucket)>,
}

impl<'a> Places<'a> {
    fn of(clients: &'a Clients, functions: &'a [Deployed]) -> Result<Self> {
        let mut tables = BTreeMap::new();
        for function in functions {
            if let (Some(bridge), Some(table)) =
                (bridge_of(&function.handler), function.value("SWITCHBOARD_TABLE"))
            {
                tables.insert(bridge.to_owned(), Table::new(clients.tables.clone(), table));
            }
        }
        let first = |name: &str| functions.iter().find_map(|function| function.value(name));
        let journal = functions.iter().find(|function| function.handler == "journal");
        let journal = journal.and_then(|function| function.value("SWITCHBOARD_TABLE"));
        let missing = |what: &str| format!("the stack has no {what} — to mend it: make deploy");
        let bus = first("SWITCHBOARD_BUS").with_context(|| missing("bus"))?;
        Ok(Self {
            clients,
            functions,
            tables,
            journal: journal.with_context(|| missing("journal"))?.to_owned(),
            bus: Bus::new(clients.events.clone(), bus),
            media: first("SWITCHBOARD_MEDIA").map(|name| (name.to_owned(), Bucket::new(clients, name))),
        })
    }

    /// The queue by which the function of this handler is reminded.
    fn queue(&self, handler: &str) -> Result<Queue> {
        let function = self.functions.iter().find(|function| function.handler == handler);
        let url = function.and_then(|function| function.value("SWITCHBOARD_QUEUE")).with_context(|| {
            format!("something is to be done by {handler}, and the stack has no such function — to mend it: deploy the version that the file was written by")
        })?;
        Ok(Queue::new(self.clients.signer.clone(), url))
    }

    fn table(&self, handler: &str) -> Result<&Table> {
        let bridge = bridge_of(handler).unwrap_or(handler);
        self.tables.get(bridge).with_context(|| {
            format!("the stack has no bridge {bridge} — to mend it: deploy the version that the file was written by")
        })
    }
}

/// Writes the house into a file; gives a line for the operator, and another where dead letters wait in queues.
///
/// # Errors
/// When the stack is not at rest, AWS does not answer, or the file cannot be written.
pub async fn export(clients: &Clients, functions: &[Deployed], file: &Path) -> Result<String> {
    let places = Places::of(clients, functions)?;
    pause::at_rest(&places).await?;
    let letters = pause::letters(&places).await?;
    // A name that is there already may be the only copy of another hub.
    let to = File::create_new(file).with_context(|| format!("cannot write {}", file.display()))?;
    let written = export::run(&places, BufWriter::new(to)).await;
    let (lines, to) = match written {
        Ok(written) => written,
        Err(error) => {
            // Half a file is of no use to anybody, and its name is in the way of the next try.
            std::fs::remove_file(file).context("the half file cannot be removed")?;
            return Err(error);
        }
    };
    to.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    let said = format!("{lines} lines are in {}", file.display());
    if letters.is_empty() {
        return Ok(said);
    }
    Ok(format!(
        "{said}\nThe queues of dead letters were not looked into: {}. What a listener gave up is in the file; what was no \
         event, or never reached a listener, is in those queues alone — to mend it: read them (docs/aws.md) before \
         the stack is removed",
        letters.join(", ")
    ))
}

/// Reads a file into an empty house, or goes on with that; gives a line for the operator.
///
/// # Errors
/// When the house is not empty, AWS does not answer, or the file is broken.
pub async fn import(clients: &Clients, functions: &[Deployed], file: &Path) -> Result<String> {
    let places = Places::of(clients, functions)?;
    let open = || -> Result<BufReader<File>> {
        Ok(BufReader::new(File::open(file).with_context(|| format!("cannot read {}", file.display()))?))
    };
    let lines = import::run(&places, open).await?;
    Ok(format!("{lines} lines are in the stack, and what is open goes on"))
}
