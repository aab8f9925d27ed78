//! The contracts, against DynamoDB and S3 as an emulator that isn't ours plays them.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use switchboard_core::contract::{StoreUnderTest, blobs_keep_their_contract, store_keeps_its_contract};
use switchboard_core::store::{Item, Key, Page, Query, View, Write};
use switchboard_core::{Failure, Timestamp};
use switchboard_stories::aws::Emulator;

use super::{NotCommitted, Table, TableView};
use crate::Clients;
use crate::blobs::Bucket;
use crate::stack::pages;

pub(crate) async fn table(clients: &Clients, name: &str) -> Table {
    let attribute = |name| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
    };
    let element = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let made = clients.tables.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    made.attribute_definitions(attribute("pk").unwrap())
        .attribute_definitions(attribute("sk").unwrap())
        .key_schema(element("pk", KeyType::Hash).unwrap())
        .key_schema(element("sk", KeyType::Range).unwrap())
        .send()
        .await
        .unwrap();
    Table::new(clients.tables.clone(), name)
}

/// A new table for the contract's suite.
pub(crate) async fn store(clients: &Clients) -> impl StoreUnderTest + use<> {
    Clocked { table: table(clients, "contract").await, now: AtomicI64::new(0) }
}

/// The table with a clock that the suite sets.
struct Clocked {
    table: Table,
    now: AtomicI64,
}

impl Clocked {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.now.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl View for Clocked {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Failure> {
        TableView { table: &self.table, now: self.now() }.get(key).await
    }
    async fn query(&self, query: &Query) -> Result<Page, Failure> {
        TableView { table: &self.table, now: self.now() }.query(query).await
    }
}

#[async_trait]
impl StoreUnderTest for Clocked {
    fn view(&self) -> &dyn View {
        self
    }
    async fn commit(&self, writes: &[Write]) -> Result<(), Failure> {
        self.table.commit(&[], writes, self.now()).await.map_err(NotCommitted::failure)
    }
    async fn set_now(&self, now: Timestamp) {
        self.now.store(now.ms(), Ordering::Relaxed);
    }
}

#[tokio::test]
async fn the_store_in_dynamodb_keeps_the_contract() {
    let emulator = Emulator::start(false).await;
    let clients = Clients::for_tests(&emulator.endpoint());
    store_keeps_its_contract(&store(&clients).await).await;
    emulator.stop().await;
}

#[tokio::test]
async fn the_pages_are_uploaded_as_browsers_are_to_take_them() {
    let emulator = Emulator::start(false).await;
    let clients = Clients::for_tests(&emulator.endpoint());
    let bucket = format!("{}/pages", emulator.endpoint());
    assert!(reqwest::Client::new().put(&bucket).send().await.unwrap().status().is_success());
    let dist = emulator.directory().join("dist");
    std::fs::create_dir_all(dist.join("assets")).unwrap();
    for name in ["index.html", "assets/chat-1.js"] {
        std::fs::write(dist.join(name), name).unwrap();
    }
    pages::upload(&clients, "pages", &pages::files(&dist).unwrap()).await.unwrap();
    for (name, kind, kept) in [
        ("index.html", "text/html; charset=utf-8", "no-cache"),
        ("assets/chat-1.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
    ] {
        let file = reqwest::get(format!("{bucket}/{name}")).await.unwrap();
        let header = |name: &str| file.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((&*header("content-type"), &*header("cache-control")), (kind, kept));
        assert_eq!(file.text().await.unwrap(), name);
    }
    assert!(pages::upload(&clients, "nowhere", &pages::files(&dist).unwrap()).await.is_err());
    emulator.stop().await;
}

#[tokio::test]
async fn files_in_s3_keep_the_contract() {
    let emulator = Emulator::start(false).await;
    let clients = Clients::for_tests(&emulator.endpoint());
    let made = reqwest::Client::new().put(format!("{}/media", emulator.endpoint())).send().await.unwrap();
    assert!(made.status().is_success());
    blobs_keep_their_contract(&Bucket::new(&clients, "media")).await;
    emulator.stop().await;
}
