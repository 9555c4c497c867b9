//! Load by librdkafka that can be checked record by record: what was sent says who sent it, where to and as what number.

mod check;
mod producer;
mod reader;
mod record;
mod stalls;

pub use check::{Ledger, Stream, Violation};
pub use producer::{Delivery, Producer, Settings};
pub use reader::{Log, Reader, read_all};
pub use record::{Id, decode, encode};
pub use stalls::Stalls;
