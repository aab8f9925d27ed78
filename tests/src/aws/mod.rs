//! AWS in this process's reach: an emulator that isn't ours, started and ended by the test.

mod emulator;

pub use emulator::Emulator;
