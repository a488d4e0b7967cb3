//! Items as a table. Decides which of their fields are shown, and how wide the columns are.

use serde_json::Value;

/// A title, and where its values stand: names with `/` between them, `*` for each of a list.
pub(super) struct Column(&'static str, &'static str);

pub(super) const ACCOUNTS: &[Column] = &[
    Column("ACCOUNT", "account"),
    Column("REVISION", "revision"),
    Column("VENUE", "spec/venue"),
    Column("ADAPTER", "spec/adapter"),
    Column("ENDPOINT", "spec/endpoint"),
    Column("CUSTOMERS", "spec/customers/*"),
    Column("BROKER MANAGER", "brokers/*/assignment/manager"),
];
pub(super) const CUSTOMERS: &[Column] = &[
    Column("CUSTOMER", "customer"),
    Column("REVISION", "revision"),
    Column("TRADER MANAGER", "affinity/manager"),
    Column("KEYS", "key_ids/*"),
];
pub(super) const MARKETS: &[Column] = &[
    Column("MARKET", "market"),
    Column("REVISION", "revision"),
    Column("INSTRUMENTS", "spec/routes/*/instrument"),
    Column("DATA", "spec/routes/*/data_venue"),
    Column("ORDERS", "spec/routes/*/order_venue"),
    Column("STATE", "at/*/state"),
    Column("MARKET MANAGERS", "at/*/manager"),
];
pub(super) const TRADERS: &[Column] = &[
    Column("TRADER", "trader"),
    Column("REVISION", "revision"),
    Column("CUSTOMER", "spec/customer"),
    Column("WANTED", "spec/state"),
    Column("STATE", "now/state"),
    Column("TRADER MANAGER", "assignment/manager"),
    Column("COMMAND", "spec/command/*"),
];
pub(super) const MANAGERS: &[Column] = &[
    Column("MANAGER", "manager"),
    Column("STATE", "state"),
    Column("LOCATION", "location"),
    Column("ADDRESS", "address"),
    Column("EPOCH", "epoch"),
    Column("BROKERS", "placed/brokers"),
    Column("CUSTOMERS", "placed/customers"),
    Column("TRADERS", "placed/traders"),
    Column("SESSIONS", "told/sessions"),
    Column("LEVEL", "level"),
    Column("DRAIN", "drains/*/state"),
];
pub(super) const IMPLEMENTATIONS: &[Column] = &[
    Column("IMPLEMENTATION", "implementation"),
    Column("STATE", "managers/*/state"),
    Column("MISSING", "missing/*"),
    Column("LOCATION", "locations/*"),
    Column("BROKERS", "placed/brokers"),
    Column("CUSTOMERS", "placed/customers"),
    Column("TRADERS", "placed/traders"),
    Column("SESSIONS", "sessions"),
    Column("DRAIN", "drains/*/state"),
];
pub(super) const BROKERS: &[Column] = &[
    Column("BROKER", "broker"),
    Column("STATE", "now/state"),
    Column("VENUE", "venue"),
    Column("LEDGER", "now/ledger/state"),
    Column("CONNECTION", "now/venue/state"),
    Column("STALE", "now/venue/stale"),
    Column("BROKER MANAGER", "assignment/manager"),
    Column("EPOCH", "assignment/epoch"),
    Column("PID", "now/pid"),
    Column("CRASHES", "now/crashes"),
    Column("DETAIL", "now/detail"),
];
pub(super) const LOCATIONS: &[Column] = &[
    Column("LOCATION", "location"),
    Column("REVISION", "revision"),
    Column("AFTER HOURS", "spec/after_hours/*"),
];
pub(super) const EXCHANGE_DAYS: &[Column] =
    &[Column("EXCHANGE", "exchange"), Column("REVISION", "revision"), Column("DAYS", "spec/days")];
pub(super) const SCALES: &[Column] = &[
    Column("LOCATION", "location"),
    Column("REVISION", "revision"),
    Column("PROVISIONER", "spec/provisioner"),
    Column("LEAST", "spec/least"),
    Column("MOST", "spec/most"),
    Column("QUIET SINCE", "quiet_since"),
];
pub(super) const PROVISIONING: &[Column] = &[
    Column("REQUEST", "request"),
    Column("REVISION", "revision"),
    Column("LOCATION", "location"),
    Column("IMPLEMENTATION", "implementation"),
    Column("STATE", "state"),
    Column("SINCE", "since"),
    Column("NODE", "node"),
    Column("FAILED", "attempts"),
    Column("WHY", "failure"),
];
pub(super) const KEYS: &[Column] = &[Column("KEY", "key_id")];
pub(super) const ROUTES: &[Column] = &[
    Column("INSTRUMENT", "instrument"),
    Column("REVISION", "revision"),
    Column("DATA", "spec/data_venue"),
    Column("ORDERS", "spec/order_venue"),
];
pub(super) const RISK: &[Column] = &[
    Column("SCOPE", "scope"),
    Column("REVISION", "revision"),
    Column("QUANTITY", "spec/max_order_quantity"),
    Column("NOTIONAL", "spec/max_order_notional"),
    Column("BAND", "spec/price_band"),
    Column("POSITION", "spec/max_position"),
    Column("OPEN", "spec/max_open_orders"),
    Column("RATE ORDERS", "spec/order_rate/orders"),
    Column("WITHIN MS", "spec/order_rate/within_ms"),
    Column("EQUAL ORDERS", "spec/equal_orders/orders"),
    Column("WITHIN MS", "spec/equal_orders/within_ms"),
];
pub(super) const TRADING_STATES: &[Column] = &[
    Column("SCOPE", "scope"),
    Column("REVISION", "revision"),
    Column("STATE", "spec/state"),
    Column("VERSION", "version"),
    Column("WHO", "by/who"),
    Column("WHY", "by/why"),
];

impl Column {
    /// What an item has there; for a column of names.
    pub(super) fn of<'a>(&self, item: &'a Value) -> Option<&'a Value> {
        item.get(self.1)
    }
}

/// A longer list is told whole as JSON.
const CELL_MAX: usize = 60;

pub(super) fn table(items: &[Value], columns: &[Column]) -> String {
    let titles: Vec<String> = columns.iter().map(|column| column.0.to_owned()).collect();
    let row = |item: &Value| columns.iter().map(|column| cell(item, column.1)).collect();
    let rows: Vec<Vec<String>> = std::iter::once(titles).chain(items.iter().map(row)).collect();
    let mut widths = vec![0; columns.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

fn cell(item: &Value, place: &str) -> String {
    let mut found = Vec::new();
    find(item, place, &mut found);
    // One venue for all routes is told once.
    found.dedup();
    let text = if found.is_empty() { "-".to_owned() } else { found.join(" ") };
    if text.chars().count() <= CELL_MAX {
        return text;
    }
    let head: String = text.chars().take(CELL_MAX - 3).collect();
    format!("{head}...")
}

fn find(value: &Value, place: &str, found: &mut Vec<String>) {
    let (name, rest) = place.split_once('/').unwrap_or((place, ""));
    match (name, value) {
        (_, Value::Null) => {}
        ("", Value::String(text)) if text.is_empty() => {}
        ("", Value::String(text)) => found.push(text.clone()),
        ("", Value::Object(fields)) if fields.is_empty() => {}
        ("", other) => found.push(other.to_string()),
        ("*", Value::Array(each)) => each.iter().for_each(|each| find(each, rest, found)),
        (name, value) => {
            if let Some(value) = value.get(name) {
                find(value, rest, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let trader = |name: &str, manager: Value| {
            json!({"trader": name, "revision": 7, "spec":
                {"customer": "acme", "command": ["tradewind", "sample-algo"], "state": "running"},
                "assignment": manager, "now": {"state": "live"}})
        };
        let items = [
            trader("a", json!({"manager": "a1.trader-manager", "epoch": 3})),
            trader("a-long-name", Value::Null),
        ];
        let expected = "\
            TRADER       REVISION  CUSTOMER  WANTED   STATE  TRADER MANAGER     COMMAND\n\
            a            7         acme      running  live   a1.trader-manager  tradewind sample-algo\n\
            a-long-name  7         acme      running  live   -                  tradewind sample-algo\n";
        assert_eq!(table(&items, TRADERS), expected);
    }

    #[test]
    fn a_cell_is_cut_where_it_would_hide_the_others() {
        let route = json!({"instrument": "BTC/USD", "data_venue": "sim", "order_venue": "sim"});
        let item = json!({ "spec": { "routes": vec![route; 20] } });
        assert_eq!(cell(&item, "spec/routes/*/data_venue"), "sim");
        let many: Vec<Value> = (0..50).map(|n| json!(format!("c{n}"))).collect();
        let long = cell(&json!({ "customers": many }), "customers/*");
        assert!(long.ends_with("...") && long.chars().count() == CELL_MAX, "{long}");
    }
}
