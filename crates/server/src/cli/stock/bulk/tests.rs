use super::*;

fn object(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

#[test]
fn csv_and_ndjson_are_the_same_lines() {
    let csv = "sku,quantity,location,reason\nlamp,3,,\nchair,-1,east,\"broken, twice\"\n";
    let ndjson = "{\"sku\":\"lamp\",\"quantity\":3}\n\n\
        {\"sku\":\"chair\",\"quantity\":-1,\"location\":\"east\",\"reason\":\"broken, twice\"}\n";
    let of_csv = read(Path::new("stock.csv"), csv).expect("a table");
    assert_eq!(read(Path::new("stock.ndjson"), ndjson), Ok(of_csv.clone()));
    assert_eq!(of_csv[0], object(json!({"sku": "lamp", "quantity": 3})));
    let wrong = read(Path::new("stock.csv"), "sku,quantity\nlamp\n");
    assert_eq!(
        wrong,
        Err("record 1 does not fit the line of names".to_owned())
    );
    let wrong = read(Path::new("stock.jsonl"), "{}\n[]\n");
    assert_eq!(wrong, Err("line 2 is no JSON object".to_owned()));
}

#[test]
fn a_line_gets_a_key_and_a_reference_and_keeps_its_own() {
    let mut lines = [
        object(json!({"sku": "lamp"})),
        object(json!({"sku": "lamp", "reason": "found", "key": "mine"})),
    ];
    for line in &mut lines {
        complete(line, "k-1", "po-9");
    }
    let first = json!({"sku": "lamp", "key": "k-1", "reference": "po-9"});
    let second = json!({"sku": "lamp", "reason": "found", "key": "mine"});
    assert_eq!(lines, [object(first), object(second)]);
    assert_eq!(mark(b"a"), mark(b"a"));
    assert_ne!(mark(b"a"), mark(b"b"));
}

#[test]
fn refused_lines_are_told_with_their_number_in_the_file() {
    let mut sum = Sum::default();
    let failed = json!([{"line": 4, "code": "sku_unknown", "retryable": false}]);
    let none = json!([]);
    for (first, failed) in [(1, &none), (501, &failed)] {
        let answer = json!({"applied": 2, "replayed": 1, "position": first, "failed": failed});
        sum.add(&answer, first);
    }
    let told: Value = serde_json::from_str(&sum.json(505)).expect("JSON");
    let refused = json!([{"line": 505, "code": "sku_unknown", "retryable": false}]);
    let wanted = json!({"lines": 505, "applied": 4, "replayed": 2, "position": 501,
        "failed": refused});
    assert_eq!(told, wanted);
    let first = sum.told(505);
    assert!(first.starts_with("505 lines: 4 applied, 2 had been before, 1 refused."));
    assert!(first.contains("sku_unknown"), "{first}");
}

#[test]
fn an_exported_sku_has_a_line_for_each_location() {
    let stock = json!([{"location": "main", "received": 5, "available": 4, "held": 1, "sold": 0,
        "shipped": 0, "returned": 0, "written_off": 0}]);
    let sku = json!({"sku": "lamp", "stock": stock});
    assert_eq!(lines(&sku, false), ["lamp,main,5,4,1,0,0,0,0"]);
    let line: Value = serde_json::from_str(&lines(&sku, true)[0]).expect("JSON");
    assert_eq!((&line["sku"], &line["held"]), (&json!("lamp"), &json!(1)));
    assert!(lines(&json!({"sku": "desk", "stock": []}), false).is_empty());
}
