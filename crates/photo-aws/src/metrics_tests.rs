//! Documents against the rules of the EMF specification.

use proptest::prelude::*;
use time::macros::datetime;

use super::*;

const AT: OffsetDateTime = datetime!(2026-11-24 12:00:00.123 UTC);

fn place(stack: &str, function: &str) -> Place {
    Place { stack: stack.to_owned(), function: function.to_owned(), version: None }
}

fn version_of_stack(version: &str) -> Place {
    Place { version: Some(version.to_owned()), ..place("s", "f") }
}

/// Every rule of the specification's JSON schema and of its text that a document could break.
fn problems(document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut wrong = |what: String| problems.push(what);
    if !document["_aws"]["Timestamp"].is_u64() {
        wrong("Timestamp is no whole number".to_owned());
    }
    let directives = document["_aws"]["CloudWatchMetrics"].as_array().cloned().unwrap_or_default();
    if directives.is_empty() {
        wrong("there are no directives".to_owned());
    }
    for directive in &directives {
        let allowed = ["Namespace", "Dimensions", "Metrics"];
        if directive
            .as_object()
            .is_none_or(|members| members.keys().any(|key| !allowed.contains(&key.as_str())))
        {
            wrong(format!("a directive has members of no meaning: {directive}"));
        }
        if !(1..=1024).contains(&directive["Namespace"].as_str().unwrap_or_default().len()) {
            wrong("Namespace has 1 to 1024 characters".to_owned());
        }
        let sets = directive["Dimensions"].as_array().cloned().unwrap_or_default();
        if sets.is_empty() {
            wrong("there is no dimension set".to_owned());
        }
        for set in &sets {
            let set = set.as_array().cloned().unwrap_or_default();
            if set.len() > 30 {
                wrong("a dimension set has more than 30 members".to_owned());
            }
            for name in &set {
                let value = &document[name.as_str().unwrap_or_default()];
                if !value.as_str().is_some_and(|text| (1..=1024).contains(&text.len())) {
                    wrong(format!("the dimension {name} has no text at the root: {value}"));
                }
            }
        }
        let metrics = directive["Metrics"].as_array().cloned().unwrap_or_default();
        if !(1..=100).contains(&metrics.len()) {
            wrong(format!("a directive has {} metrics", metrics.len()));
        }
        for metric in &metrics {
            let value = &document[metric["Name"].as_str().unwrap_or_default()];
            let numbers = value.as_array().map_or(1, Vec::len);
            let numeric = value.as_array().map_or(value.is_number(), |all| all.iter().all(Value::is_number));
            if !numeric || !(1..=100).contains(&numbers) {
                wrong(format!("the metric {metric} has no number at the root: {value}"));
            }
            if !["Bytes", "Count", "Megabytes", "Milliseconds", "Percent"]
                .contains(&metric["Unit"].as_str().unwrap_or_default())
            {
                wrong(format!("the metric {metric} has a unit that CloudWatch does not know"));
            }
        }
    }
    problems
}

#[test]
fn a_document_is_what_the_specification_asks_for() {
    let document = Document::new()
        .count(PHOTOS_FAILED)
        .count(FAILURES_BY_CODE)
        .value(MEMORY_USED, 64.5)
        .value(DECODE_TIME, 10.0)
        .value(DECODE_TIME, 20.0)
        .code("CORRUPT_IMAGE")
        .property("width", 4032)
        .render(&place("photodrop", "thumbnail"), AT)
        .unwrap();
    assert_eq!(problems(&document), Vec::<String>::new());
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(document) });
}

#[test]
fn the_checker_sees_what_is_wrong() {
    let good = Document::new().count(FAILURES_BY_CODE).code("X").render(&place("s", "f"), AT).unwrap();
    let broken = |pointer: &str, value: Value| {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        problems(&document)
    };
    assert_eq!(problems(&good), Vec::<String>::new());
    for (pointer, value) in [
        ("/_aws/Timestamp", json!("now")),
        ("/_aws/CloudWatchMetrics", json!([])),
        ("/_aws/CloudWatchMetrics/0/Namespace", json!("")),
        ("/_aws/CloudWatchMetrics/0/Dimensions", json!([])),
        ("/_aws/CloudWatchMetrics/0/Dimensions", json!([["Photo"]])),
        ("/_aws/CloudWatchMetrics/0/Metrics", json!([])),
        ("/_aws/CloudWatchMetrics/0/Metrics/0/Unit", json!("Furlongs")),
        ("/FailuresByCode", json!("1")),
        ("/Code", json!(7)),
    ] {
        assert!(!broken(pointer, value.clone()).is_empty(), "{pointer} {value}");
    }
}

#[test]
fn what_would_spoil_a_document_is_left_out() {
    assert!(Document::new().property("a", 1).render(&place("s", "f"), AT).is_none());
    assert!(Document::new().value(DECODE_TIME, f64::NAN).render(&place("s", "f"), AT).is_none());
    // Without its code a metric by code has nothing to be split by.
    let document =
        Document::new().count(FAILURES_BY_CODE).count(PHOTOS_FAILED).render(&place("s", "f"), AT).unwrap();
    assert!(document.get("FailuresByCode").is_none());
    assert_eq!(problems(&document), Vec::<String>::new());
}

#[test]
fn metrics_are_split_by_version_where_it_is_turned_on() {
    let sets = |place: &Place, metric: Metric| {
        let document = Document::new().count(metric).render(place, AT)?;
        assert_eq!(problems(&document), Vec::<String>::new());
        Some((document["_aws"]["CloudWatchMetrics"][0]["Dimensions"].clone(), document["Version"].clone()))
    };
    let (by_version, all) = (version_of_stack("7"), place("s", "f"));
    assert_eq!(
        sets(&by_version, PHOTOS_FAILED),
        Some((json!([["Stack"], ["Stack", "Version"]]), json!("7")))
    );
    assert_eq!(sets(&by_version, REQUESTS_FAILED), Some((json!([["Stack", "Version"]]), json!("7"))));
    assert_eq!(sets(&all, PHOTOS_FAILED), Some((json!([["Stack"]]), Value::Null)));
    assert_eq!(sets(&all, REQUESTS_FAILED), None);
}

#[test]
fn two_metrics_are_split_by_version_and_no_more() {
    // Each costs $0.30 a month for each version that serves: docs/METRICS.md.
    let split =
        ALL.iter().filter(|metric| metric.dimensions.iter().any(|set| set.contains(&Dimension::Version)));
    assert_eq!(split.map(|metric| metric.name).collect::<Vec<_>>(), ["PhotosFailed", "RequestsFailed"]);
}

#[test]
fn names_are_unique_and_no_dimension_has_many_values() {
    for (number, metric) in ALL.iter().enumerate() {
        assert!(ALL[..number].iter().all(|other| other.name != metric.name), "{} twice", metric.name);
        for set in metric.dimensions {
            assert_eq!(set[0], Dimension::Stack, "{}: two stacks of an account must not mix", metric.name);
            assert!(set.len() <= 2, "{}: values multiply", metric.name);
        }
    }
}

#[test]
fn a_function_is_known_by_what_it_is_for() {
    assert_eq!(role("photodrop", "photodrop-upload"), "upload");
    assert_eq!(role("photo", "photodrop-upload"), "photodrop-upload");
    assert_eq!(role("unknown", "unknown"), "unknown");
}

#[test]
fn every_metric_is_documented_with_its_unit_and_its_dimensions() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/METRICS.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<Vec<_>> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    for metric in ALL {
        let sets: Vec<_> = metric
            .dimensions
            .iter()
            .map(|set| set.iter().map(|dimension| dimension.as_str()).collect::<Vec<_>>().join(", "))
            .collect();
        let row = rows.iter().find(|row| row[1] == metric.name);
        let row = row.unwrap_or_else(|| panic!("docs/METRICS.md does not tell of {}", metric.name));
        assert_eq!((row[2], row[3]), (metric.unit.as_str(), sets.join("; ").as_str()), "{}", metric.name);
    }
    for row in &rows {
        assert!(ALL.iter().any(|metric| metric.name == row[1]), "docs/METRICS.md tells of {}", row[1]);
    }
}

proptest! {
    #[test]
    fn no_values_make_a_document_that_cloudwatch_refuses(
        values in prop::collection::vec((0..ALL.len(), any::<f64>()), 0..300),
        code in prop::option::of(Just("NOT_AN_IMAGE")),
        version in prop::option::of(Just("12")),
    ) {
        let mut document = Document::new();
        for (metric, value) in values {
            document = document.value(ALL[metric], value);
        }
        if let Some(code) = code {
            document = document.code(code);
        }
        let place = version.map_or_else(|| place("s", "f"), version_of_stack);
        if let Some(document) = document.render(&place, AT) {
            prop_assert_eq!(problems(&document), Vec::<String>::new());
        }
    }
}
