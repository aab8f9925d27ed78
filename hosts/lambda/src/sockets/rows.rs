//! What the table says of connections. The host's rows, beside the bridge's items.
//!
//! ```text
//!   s#connection/<id>      at             whose it is, since when and until when, its rooms
//!   s#room/<room>          <connection>   it listens there, to what comes after a number
//!   s#person/<id>          <connection>   \
//!   s#session/<hash>       <connection>    > to find them by
//!   s#address/<address>    <connection>   /
//!   s#cast                 <room>         how far what is said in the room has been told
//!   s#count/<what>         <minute>       how often somebody did something in that minute
//! ```

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use switchboard_core::store::{from_json, to_json};
use switchboard_core::{Connection, Failure, Person, RoomName, Timestamp};

use crate::store::{
    NotCommitted, Row, Step, Table, flag, key, number, read_flag, read_number, read_text, text, ttl,
};

/// A WebSocket API ends every connection after two hours; a little before that it is as good as over.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>
pub(super) const LIFE: Duration = Duration::from_secs(2 * 60 * 60 - 30);
/// How long after its end a connection's rows may still be there.
const AFTER_LIFE: Duration = Duration::from_secs(600);

/// The partition of the rooms' casts.
const CASTS: &str = "s#cast";

/// One connection.
#[derive(Debug, Clone)]
pub(super) struct Connected {
    pub(super) connection: Connection,
    pub(super) address: String,
    pub(super) since: Timestamp,
    pub(super) greeted: bool,
    pub(super) rooms: Vec<RoomName>,
}

/// What connections are found by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Group<'a> {
    Person(&'a str),
    Session(&'a str),
    Address(&'a str),
}

/// A connection that listens to a room.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) connection: String,
    pub(super) person: Person,
    pub(super) after: u64,
}

/// How far what is said in a room has been told. See the module above.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cast {
    pub(super) version: u64,
    pub(super) sent: u64,
    pub(super) to: u64,
    pub(super) want: u64,
    pub(super) until: Timestamp,
    pub(super) by: String,
}

fn partition(of: Group<'_>) -> String {
    match of {
        Group::Person(id) => format!("s#person/{id}"),
        Group::Session(hash) => format!("s#session/{hash}"),
        Group::Address(address) => format!("s#address/{address}"),
    }
}

fn of_connection(id: &str) -> String {
    format!("s#connection/{id}")
}

fn of_room(room: &RoomName) -> String {
    format!("s#room/{room}")
}

impl Connected {
    fn keys(&self) -> Vec<Row> {
        let Connection { id, person, session, .. } = &self.connection;
        let groups = [Group::Person(&person.id), Group::Session(session), Group::Address(&self.address)];
        groups.map(|group| key(&partition(group), id)).into()
    }

    /// When its rows mean nothing any more.
    fn over(&self) -> AttributeValue {
        ttl(self.since.plus(LIFE + AFTER_LIFE))
    }

    /// Writes a new connection.
    pub(super) async fn enter(&self, table: &Table, now: Timestamp) -> Result<(), Failure> {
        let Connection { id, person, session, expires_at } = &self.connection;
        let mut row = key(&of_connection(id), "at");
        let mut set = |name: &str, value| row.insert(name.to_owned(), value);
        set("person", text(to_json(person)?));
        set("session", text(session));
        set("address", text(&self.address));
        set("since", number(self.since.ms()));
        set("ends", number(expires_at.ms()));
        set("ttl_s", self.over());
        let mut steps = vec![Step::replace(table, row)];
        for mut row in self.keys() {
            row.insert("ttl_s".to_owned(), self.over());
            steps.push(Step::replace(table, row));
        }
        table.commit(&steps, &[], now).await.map_err(NotCommitted::failure)
    }

    /// The connection of this id.
    pub(super) async fn find(table: &Table, id: &str) -> Result<Option<Self>, Failure> {
        let Some(row) = table.row(&of_connection(id), "at").await? else { return Ok(None) };
        let person = read_text(&row, "person");
        if person.is_empty() {
            return Ok(None);
        }
        let rooms = row.get("rooms").and_then(|rooms| rooms.as_ss().ok()).into_iter().flatten();
        let at = |name: &str| Timestamp::from_ms(read_number(&row, name).unwrap_or_default());
        Ok(Some(Self {
            connection: Connection {
                id: id.to_owned(),
                person: from_json(&person)?,
                session: read_text(&row, "session"),
                expires_at: at("ends"),
            },
            address: read_text(&row, "address"),
            since: at("since"),
            greeted: read_flag(&row, "greeted"),
            rooms: rooms.filter_map(|room| room.parse().ok()).collect(),
        }))
    }

    /// Forgets it, with all its places.
    pub(super) async fn forget(&self, table: &Table, now: Timestamp) -> Result<(), Failure> {
        let id = &self.connection.id;
        let places = self.rooms.iter().map(|room| key(&of_room(room), id));
        let all = places.chain(self.keys()).chain([key(&of_connection(id), "at")]);
        for row in all {
            let step = Step::delete(table, row, None, Row::new());
            table.commit(&[step], &[], now).await.map_err(NotCommitted::failure)?;
        }
        Ok(())
    }

    /// Changes its row, unless it has been forgotten.
    async fn change(
        &self,
        table: &Table,
        change: &str,
        values: Row,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let at = key(&of_connection(&self.connection.id), "at");
        let step = Step::update(table, at, change, "attribute_exists(pk)", values);
        match table.commit(&[step], &[], now).await {
            Ok(()) => Ok(true),
            Err(NotCommitted::Own(_)) => Ok(false),
            Err(other) => Err(other.failure()),
        }
    }

    /// Its hello has come.
    pub(super) async fn greet(&self, table: &Table, now: Timestamp) -> Result<bool, Failure> {
        let values = Row::from([(":yes".to_owned(), flag(true))]);
        self.change(table, "SET greeted = :yes", values, now).await
    }

    /// It lives until then.
    pub(super) async fn renew(
        &self,
        table: &Table,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let values = Row::from([(":ends".to_owned(), number(until.ms()))]);
        self.change(table, "SET ends = :ends", values, now).await
    }

    /// Takes a place in a room, to hear what comes after a number, if nothing more has been announced there than
    /// `announced`. `false`: something has.
    pub(super) async fn take_place(
        &self,
        table: &Table,
        room: &RoomName,
        after: u64,
        announced: u64,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let mut place = key(&of_room(room), &self.connection.id);
        place.insert("person".to_owned(), text(to_json(&self.connection.person)?));
        place.insert("after".to_owned(), number(after));
        place.insert("ttl_s".to_owned(), self.over());
        let values = Row::from([(":to".to_owned(), number(announced))]);
        let unannounced =
            if announced == 0 { "attribute_not_exists(said) OR said = :to" } else { "said = :to" };
        let rooms = Row::from([(":room".to_owned(), AttributeValue::Ss(vec![room.to_string()]))]);
        let own = key(&of_connection(&self.connection.id), "at");
        let steps = [
            Step::check(table, key(CASTS, room.as_str()), unannounced, values),
            Step::replace(table, place),
            Step::update(table, own, "ADD rooms :room", "attribute_exists(pk)", rooms),
        ];
        match table.commit(&steps, &[], now).await {
            Ok(()) => Ok(true),
            Err(NotCommitted::Own(0)) => Ok(false),
            Err(NotCommitted::Own(_)) => Err(Failure::refuse(410, "the connection is gone")),
            Err(other) => Err(other.failure()),
        }
    }

    /// Gives it back.
    pub(super) async fn leave(&self, table: &Table, room: &RoomName, now: Timestamp) -> Result<(), Failure> {
        let gone = Step::delete(table, key(&of_room(room), &self.connection.id), None, Row::new());
        table.commit(&[gone], &[], now).await.map_err(NotCommitted::failure)?;
        let rooms = Row::from([(":room".to_owned(), AttributeValue::Ss(vec![room.to_string()]))]);
        self.change(table, "DELETE rooms :room", rooms, now).await.map(drop)
    }
}

/// The connections of a group.
pub(super) async fn of(table: &Table, group: Group<'_>, now: Timestamp) -> Result<Vec<String>, Failure> {
    let rows = table.rows(&partition(group)).await?;
    Ok(rows.iter().filter(|row| !is_over(row, now)).map(|row| read_text(row, "sk")).collect())
}

/// Who listens to a room.
pub(super) async fn listeners(table: &Table, room: &RoomName, now: Timestamp) -> Result<Vec<Place>, Failure> {
    let rows = table.rows(&of_room(room)).await?;
    let place = |row: &Row| -> Result<Place, Failure> {
        Ok(Place {
            connection: read_text(row, "sk"),
            person: from_json(&read_text(row, "person"))?,
            after: read_number(row, "after").unwrap_or_default(),
        })
    };
    rows.iter().filter(|row| !is_over(row, now)).map(place).collect()
}

/// DynamoDB removes late.
fn is_over(row: &Row, now: Timestamp) -> bool {
    read_number::<i64>(row, "ttl_s").is_some_and(|until| until < now.secs())
}

impl Cast {
    /// How far a room is.
    pub(super) async fn of(table: &Table, room: &RoomName) -> Result<Self, Failure> {
        let Some(row) = table.row(CASTS, room.as_str()).await? else { return Ok(Self::default()) };
        let read = |name: &str| read_number(&row, name).unwrap_or_default();
        Ok(Self {
            version: read("ver"),
            sent: read("sent"),
            to: read("said"),
            want: read("want"),
            until: Timestamp::from_ms(read_number(&row, "until").unwrap_or_default()),
            by: read_text(&row, "by"),
        })
    }

    /// Writes it, if nobody has written it since it was read; says whether.
    pub(super) async fn save(
        &mut self,
        table: &Table,
        room: &RoomName,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let read = self.version;
        self.version += 1;
        let mut row = key(CASTS, room.as_str());
        let mut set = |name: &str, value| row.insert(name.to_owned(), value);
        set("ver", number(self.version));
        set("sent", number(self.sent));
        set("said", number(self.to));
        set("want", number(self.want));
        set("until", number(self.until.ms()));
        set("by", text(&self.by));
        let values = Row::from([(":ver".to_owned(), number(read))]);
        let step = match read {
            0 => Step::create(table, row),
            _ => Step::put(table, row, Some("ver = :ver"), values),
        };
        match table.commit(&[step], &[], now).await {
            Ok(()) => Ok(true),
            Err(NotCommitted::Own(_)) => Ok(false),
            Err(other) => Err(other.failure()),
        }
    }
}

/// How often somebody has done something in this minute, with this time.
pub(super) async fn counted(table: &Table, what: &str, now: Timestamp) -> Result<u64, Failure> {
    let minute = now.secs().div_euclid(60);
    table.count(&format!("s#count/{what}"), &minute.to_string(), now.plus(Duration::from_secs(120))).await
}
