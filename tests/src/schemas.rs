//! The JSON schemas of the events, in `docs/events/`.

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;

/// What is wrong with an event's detail; nothing if it is as its schema says.
pub fn mistakes(name: &str, detail: &Value) -> Result<Vec<String>> {
    let path = crate::stack::root().join("docs/events").join(format!("{name}.schema.json"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&serde_json::from_str(&text)?)
        .map_err(|error| anyhow!("{name}: {error}"))?;
    Ok(validator.iter_errors(detail).map(|error| error.to_string()).collect())
}
