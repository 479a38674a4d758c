//! The JSON schemas of the events, in `docs/events/`.

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;

/// What is wrong with an event's detail; nothing if it is as its schema says.
pub fn mistakes(name: &str, detail: &Value) -> Result<Vec<String>> {
    let path = crate::stack::root().join("docs/events").join(format!("{name}.schema.json"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let schema: Value = serde_json::from_str(&text)?;
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .map_err(|error| anyhow!("{name}: {error}"))?;
    let mut mistakes: Vec<_> = validator.iter_errors(detail).map(|error| error.to_string()).collect();
    // Consumers ignore what they do not know; what we send, we document.
    let known = schema["properties"].as_object().context("properties")?;
    let fields = detail.as_object().into_iter().flatten();
    mistakes.extend(
        fields
            .filter(|(name, _)| !known.contains_key(*name))
            .map(|(name, _)| format!("{name} is not documented")),
    );
    Ok(mistakes)
}
