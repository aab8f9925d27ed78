//! AWS in this process's reach: an emulator that isn't ours, started and ended by the test, and the house deployed
//! to it.

mod emulator;
mod moto;
mod stack;

pub use emulator::Emulator;
pub use moto::Moto;
pub use stack::{Stack, TOKEN};
