//! Stories of the deployed house alone: what AWS does to it that one machine does not, and what it may do there.

mod accounts;
mod agreement;
mod chat;
mod cost;
mod deploying;
mod grants;
mod handling;
mod moving;
mod needed;
mod queues;
mod secrets;
mod sustained;

use switchboard_stories::House;
use switchboard_stories::aws::Stack;

fn stack(house: &House) -> &Stack {
    house.hub.stack().expect("these stories are told of the deployed house")
}
