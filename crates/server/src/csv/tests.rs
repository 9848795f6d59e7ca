use super::*;

fn table(columns: &[&str], records: &[&[&str]]) -> Table {
    let owned = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    Table {
        columns: owned(columns),
        records: records.iter().map(|record| owned(record)).collect(),
    }
}

#[test]
fn a_table_is_read_with_quotes_either_line_end_and_blank_lines() {
    let text = "\u{feff}sku,reason\r\nlamp,\"a \"\"share\"\", of the\nchannel\"\r\n\nchair,\n";
    let wanted = table(
        &["sku", "reason"],
        &[&["lamp", "a \"share\", of the\nchannel"], &["chair", ""]],
    );
    assert_eq!(read(text), Ok(wanted));
    assert_eq!(read("sku"), Ok(table(&["sku"], &[])));
    assert_eq!(read("a,b\n1,2"), Ok(table(&["a", "b"], &[&["1", "2"]])));
}

#[test]
fn what_has_two_meanings_is_refused_with_its_record() {
    let table = [
        ("", None),
        ("\n\n", None),
        ("sku,sku\nlamp,lamp\n", None),
        ("sku,\nlamp,1\n", None),
        ("sku,quantity\nlamp,1\nchair\n", Some(1)),
        ("sku,quantity\nlamp,1,2\n", Some(0)),
        ("sku\nla\"mp\n", Some(0)),
        ("sku\n\"lamp\"s\n", Some(0)),
        ("sku\nlamp\n\"chair\n", Some(1)),
        ("sku\nla\rmp\n", Some(0)),
    ];
    for (text, at) in table {
        assert_eq!(read(text), Err(Broken(at)), "{text:?}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    let record = ["lamp", "a \"share\"", "x,y", "two\nlines", ""];
    let text = format!("a,b,c,d,e\n{}\n", line(record.into_iter()));
    assert_eq!(
        read(&text),
        Ok(table(&["a", "b", "c", "d", "e"], &[&record]))
    );
}
