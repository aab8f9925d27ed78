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
mod rooms;
mod secrets;
mod sustained;

use switchboard_stories::House;
use switchboard_stories::aws::Stack;

fn stack(house: &House) -> &Stack {
    house.hub.stack().expect("these stories are told of the deployed house")
}

/// What a grant's resource is called in the requests about it: the end of its ARN.
fn named(resource: &str) -> &str {
    let name = resource.rsplit(':').next().unwrap_or_default();
    let name = ["table/", "event-bus/"].iter().fold(name, |name, kind| name.trim_start_matches(kind));
    // A parameter's own name begins with the slash; a secret's ARN ends with six characters that nobody asks for.
    let name = name.strip_prefix("parameter").unwrap_or(name);
    name.trim_end_matches("/*").trim_end_matches("-??????")
}
