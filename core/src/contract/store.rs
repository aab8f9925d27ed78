//! What every store must do, and refuse.

use async_trait::async_trait;

use crate::failure::Failure;
use crate::store::{Expect, Key, MAX_ITEM_BYTES, MAX_TRANSACTION_ITEMS, Order, Query, View, Write};
use crate::time::Timestamp;

/// A store with the commit of its host.
#[async_trait]
pub trait StoreUnderTest: Send + Sync {
    /// Reads what is committed.
    fn view(&self) -> &dyn View;
    /// Commits all writes or none: [`Failure::Retry`] on a conflict, [`Failure::Bug`] over a limit.
    async fn commit(&self, writes: &[Write]) -> Result<(), Failure>;
    /// Sets the clock by which items expire.
    async fn set_now(&self, now: Timestamp);
}

fn put(key: &Key, body: &str, expect: Expect) -> Write {
    Write::Put { key: key.clone(), body: body.into(), expect, expires_at: None }
}

async fn body_and_version(store: &dyn StoreUnderTest, key: &Key) -> Option<(String, u64)> {
    store.view().get(key).await.expect("read").map(|item| (item.body, item.version))
}

/// Runs the suite on an empty `store`.
///
/// # Panics
/// Where the contract is broken.
pub async fn store_keeps_its_contract(store: &dyn StoreUnderTest) {
    store.set_now(Timestamp::from_secs(1_000_000)).await;
    puts_and_their_conditions(store).await;
    a_transaction_is_all_or_nothing(store).await;
    counts_add_up(store).await;
    queries_are_ordered_and_paged(store).await;
    expired_items_are_not_read(store).await;
    limits_are_enforced(store).await;
}

async fn puts_and_their_conditions(store: &dyn StoreUnderTest) {
    let key = Key::new("puts", "a");
    assert_eq!(body_and_version(store, &key).await, None);
    store.commit(&[put(&key, "1", Expect::Absent)]).await.expect("absent holds");
    assert_eq!(body_and_version(store, &key).await, Some(("1".into(), 1)));
    let again = store.commit(&[put(&key, "2", Expect::Absent)]).await;
    assert!(matches!(again, Err(Failure::Retry { .. })), "it is there: {again:?}");
    store.commit(&[put(&key, "2", Expect::Version(1))]).await.expect("version holds");
    let stale = store.commit(&[put(&key, "3", Expect::Version(1))]).await;
    assert!(matches!(stale, Err(Failure::Retry { .. })), "the version is 2: {stale:?}");
    store.commit(&[put(&key, "4", Expect::Any)]).await.expect("nothing demanded");
    assert_eq!(body_and_version(store, &key).await, Some(("4".into(), 3)));

    let stale = store.commit(&[Write::Delete { key: key.clone(), expect: Expect::Version(1) }]).await;
    assert!(matches!(stale, Err(Failure::Retry { .. })));
    store.commit(&[Write::Delete { key: key.clone(), expect: Expect::Version(3) }]).await.expect("delete");
    assert_eq!(body_and_version(store, &key).await, None);
    store
        .commit(&[Write::Delete { key: key.clone(), expect: Expect::Any }])
        .await
        .expect("nothing to delete");
    let other = Key::new("puts", "A");
    store.commit(&[put(&other, "x", Expect::Any)]).await.expect("put");
    assert_eq!(body_and_version(store, &key).await, None, "keys are compared byte by byte");
}

async fn a_transaction_is_all_or_nothing(store: &dyn StoreUnderTest) {
    let (first, second) = (Key::new("all", "1"), Key::new("all", "2"));
    store.commit(&[put(&second, "there", Expect::Any)]).await.expect("put");
    let refused = store.commit(&[put(&first, "x", Expect::Any), put(&second, "y", Expect::Absent)]).await;
    assert!(matches!(refused, Err(Failure::Retry { .. })));
    assert_eq!(body_and_version(store, &first).await, None, "nothing of a refused transaction is there");
    let check = Write::Check { key: second.clone(), expect: Expect::Absent };
    let refused = store.commit(&[put(&first, "x", Expect::Any), check]).await;
    assert!(matches!(refused, Err(Failure::Retry { .. })), "a check is a condition too");
    assert_eq!(body_and_version(store, &first).await, None);
    let check = Write::Check { key: second, expect: Expect::Version(1) };
    store.commit(&[put(&first, "x", Expect::Any), check]).await.expect("the check holds");
}

async fn counts_add_up(store: &dyn StoreUnderTest) {
    let key = Key::new("counts", "today");
    let add = |amount| Write::Add { key: key.clone(), amount, expires_at: None };
    store.commit(&[add(2)]).await.expect("add");
    store.commit(&[add(-5)]).await.expect("add");
    let item = store.view().get(&key).await.expect("read").expect("an addition makes the item");
    assert_eq!(item.count, -3);
    store.commit(&[put(&key, "body", Expect::Any)]).await.expect("put");
    let item = store.view().get(&key).await.expect("read").expect("there");
    assert_eq!((item.count, item.body.as_str()), (-3, "body"), "a put keeps the count");
}

async fn queries_are_ordered_and_paged(store: &dyn StoreUnderTest) {
    for sort in ["a:1", "a:10", "a:2", "b:1", "a:é", "a:z", "a:%", "a:_"] {
        store.commit(&[put(&Key::new("query", sort), sort, Expect::Any)]).await.expect("put");
    }
    store.commit(&[put(&Key::new("query2", "a:0"), "other", Expect::Any)]).await.expect("put");
    let mut query = Query {
        partition: "query".into(),
        prefix: "a:".into(),
        after: None,
        order: Order::Ascending,
        limit: 3,
    };
    let mut sorts = Vec::new();
    loop {
        let page = store.view().query(&query).await.expect("query");
        assert!(page.items.len() <= 3);
        sorts.extend(page.items.into_iter().map(|item| item.sort));
        let Some(next) = page.next else { break };
        query.after = Some(next);
    }
    let ordered = ["a:%", "a:1", "a:10", "a:2", "a:_", "a:z", "a:é"];
    assert_eq!(sorts, ordered, "ordered by bytes, this prefix and this partition only");

    let down = Query { order: Order::Descending, after: Some("a:2".into()), limit: 2, ..query };
    let page = store.view().query(&down).await.expect("query");
    let sorts: Vec<_> = page.items.iter().map(|item| item.sort.as_str()).collect();
    assert_eq!(sorts, ["a:10", "a:1"], "after, in the order asked for");
}

async fn expired_items_are_not_read(store: &dyn StoreUnderTest) {
    let key = Key::new("expiry", "a");
    let at = Timestamp::from_secs(1_000_100);
    store.commit(&[put(&key, "x", Expect::Any).expiring(at)]).await.expect("put");
    assert!(body_and_version(store, &key).await.is_some(), "not yet");
    store.set_now(at).await;
    assert_eq!(body_and_version(store, &key).await, None, "gone at its time, removed or not");
    let query = Query {
        partition: "expiry".into(),
        prefix: String::new(),
        after: None,
        order: Order::Ascending,
        limit: 10,
    };
    assert!(store.view().query(&query).await.expect("query").items.is_empty());
    store.commit(&[put(&key, "y", Expect::Absent)]).await.expect("an expired item counts as absent");
    assert_eq!(body_and_version(store, &key).await, Some(("y".into(), 1)));
}

async fn limits_are_enforced(store: &dyn StoreUnderTest) {
    let writes: Vec<Write> = (0..=MAX_TRANSACTION_ITEMS)
        .map(|index| put(&Key::new("limits", format!("{index:04}")), "x", Expect::Any))
        .collect();
    let most = &writes[..MAX_TRANSACTION_ITEMS];
    store.commit(most).await.expect("as many as are allowed");
    let refused = store.commit(&writes).await;
    assert!(matches!(refused, Err(Failure::Bug { .. })), "one too many: {refused:?}");

    let key = Key::new("limits", "large");
    let refused = store.commit(&[put(&key, &"x".repeat(MAX_ITEM_BYTES), Expect::Any)]).await;
    assert!(matches!(refused, Err(Failure::Bug { .. })), "too large: {refused:?}");
    let twice = [put(&key, "1", Expect::Any), put(&key, "2", Expect::Any)];
    let refused = store.commit(&twice).await;
    assert!(matches!(refused, Err(Failure::Bug { .. })), "one item twice: {refused:?}");
    let refused = store.commit(&[put(&Key::new("", "a"), "1", Expect::Any)]).await;
    assert!(matches!(refused, Err(Failure::Bug { .. })), "an empty key: {refused:?}");
}
