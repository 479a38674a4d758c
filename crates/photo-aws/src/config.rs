//! The environment as typed values.
//!
//! A function reads its whole configuration at init and reports every mistake at once, so that a bad
//! deployment fails before its first request and needs one repair, not five.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use photo_domain::Recipe;

/// Reads environment variables and gathers what is wrong with them.
pub struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

/// Everything that is wrong with the environment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad configuration: {}", problems.join("; "))]
pub struct ConfigError {
    /// One sentence for each mistake; each begins with the variable's name.
    pub problems: Vec<String>,
}

/// Looks a variable up in the process's environment.
#[must_use]
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl<'a> Environment<'a> {
    /// Reads through `lookup`, which is [`process_environment`] outside tests.
    #[must_use]
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    /// A text that must be there; an empty one counts as missing.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name).filter(|value| !value.is_empty());
        if value.is_none() {
            self.problem(name, "is not set");
        }
        value
    }

    /// A value that must be there and parse.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        text.parse().map_err(|error| self.problem(name, &format!("is {text:?}: {error}"))).ok()
    }

    /// A number that must be there and within `range`.
    pub fn number<T>(&mut self, name: &str, range: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr<Err: Display> + PartialOrd + Display,
    {
        let value: T = self.parsed(name)?;
        if range.contains(&value) {
            return Some(value);
        }
        self.problem(name, &format!("is {value}: {} to {} is expected", range.start(), range.end()));
        None
    }

    /// One of some words that must be there; each stands for a value.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.problem(name, &format!("is {text:?}: {} is expected", words.join(" or ")));
        }
        found
    }

    /// A comma-separated list that must be there, parse and hold at least one element and none twice.
    pub fn list<T: FromStr<Err: Display> + PartialEq>(&mut self, name: &str) -> Option<Vec<T>> {
        let text = self.text(name)?;
        let mut values: Vec<T> = Vec::new();
        for part in text.split(',').map(str::trim) {
            match part.parse() {
                Ok(value) if values.contains(&value) => {
                    self.problem(name, &format!("has {part:?} twice"));
                    return None;
                }
                Ok(value) => values.push(value),
                Err(error) => {
                    self.problem(name, &format!("has {part:?}: {error}"));
                    return None;
                }
            }
        }
        Some(values)
    }

    /// Notes a mistake that only the caller can see. The same one is noted once, however often a variable is read.
    pub fn problem(&mut self, name: &str, what: &str) {
        let problem = format!("{name} {what}");
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// The configuration, if every part of it was there.
    pub fn finish<T>(self, config: Option<T>) -> Result<T, ConfigError> {
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(ConfigError { problems: self.problems }),
        }
    }
}

/// Where photos are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The DynamoDB table.
    pub table_name: String,
    /// The S3 bucket that clients put photos into.
    pub originals_bucket: String,
    /// The S3 bucket of the variants.
    pub thumbnails_bucket: String,
}

impl Storage {
    /// Reads `PHOTODROP_TABLE_NAME`, `PHOTODROP_ORIGINALS_BUCKET` and `PHOTODROP_THUMBNAILS_BUCKET`.
    pub fn read(env: &mut Environment<'_>) -> Option<Self> {
        let table_name = env.text("PHOTODROP_TABLE_NAME");
        let originals_bucket = env.text("PHOTODROP_ORIGINALS_BUCKET");
        let thumbnails_bucket = env.text("PHOTODROP_THUMBNAILS_BUCKET");
        if originals_bucket.is_some() && originals_bucket == thumbnails_bucket {
            // One bucket for both would let a thumbnail start the function that made it.
            env.problem("PHOTODROP_THUMBNAILS_BUCKET", "is the originals bucket: two buckets are needed");
        }
        Some(Self {
            table_name: table_name?,
            originals_bucket: originals_bucket?,
            thumbnails_bucket: thumbnails_bucket?,
        })
    }
}

/// The variables that decide how variants look; `template.yaml` gives them to whoever makes variants or looks after them.
pub const RECIPE_VARIABLES: [&str; 10] = [
    "PHOTODROP_VARIANTS",
    "PHOTODROP_VARIANT_FORMATS",
    "PHOTODROP_WEBP_QUALITY",
    "PHOTODROP_WEBP_METHOD",
    "PHOTODROP_JPEG_QUALITY",
    "PHOTODROP_AVIF_QUALITY",
    "PHOTODROP_AVIF_SPEED",
    "PHOTODROP_BACKGROUND",
    "PHOTODROP_ANIMATION",
    "PHOTODROP_SANITIZED_ORIGINAL",
];

/// Reads [`RECIPE_VARIABLES`] as they are written: what they mean is the thumbnail function's to say.
pub fn recipe(env: &mut Environment<'_>) -> Option<Recipe> {
    // All of them, so that every one that is missing is named.
    let values: Vec<_> = RECIPE_VARIABLES.into_iter().map(|name| Some((name, env.text(name)?))).collect();
    let values: Vec<_> = values.into_iter().collect::<Option<_>>()?;
    Some(Recipe::of(values.iter().map(|(name, value)| (*name, value.as_str()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let lookup = with(&[("A", "x"), ("B", "7"), ("C", ""), ("E", "1,1"), ("F", "1,b")]);
        let mut env = Environment::new(&lookup);
        let _ = env.parsed::<u32>("A");
        let _ = env.number::<u32>("B", 1..=5);
        let _ = env.text("C");
        let _ = env.text("D");
        let _ = env.list::<u32>("E");
        let _ = env.list::<u32>("F");
        let _ = env.choice("A", &[("on", true), ("off", false)]);
        assert_eq!(
            env.finish(Some(())).unwrap_err().problems,
            [
                "A is \"x\": invalid digit found in string",
                "B is 7: 1 to 5 is expected",
                "C is not set",
                "D is not set",
                "E has \"1\" twice",
                "F has \"b\": invalid digit found in string",
                "A is \"x\": on or off is expected",
            ]
        );
    }

    #[test]
    fn good_values_come_through() {
        let lookup = with(&[("N", "5"), ("L", "1, 2")]);
        let mut env = Environment::new(&lookup);
        let number = env.number::<u32>("N", 1..=5);
        let list = env.list::<u32>("L");
        assert_eq!(env.choice("N", &[("4", 'a'), ("5", 'b')]), Some('b'));
        assert_eq!(env.finish(number.zip(list)), Ok((5, vec![1, 2])));
    }

    #[test]
    fn every_variable_of_the_recipe_makes_another_one() {
        let recipe_with = |changed: Option<&'static str>| {
            let lookup =
                move |name: &str| Some(if Some(name) == changed { "b".to_owned() } else { "a".to_owned() });
            let mut env = Environment::new(&lookup);
            let recipe = recipe(&mut env);
            env.finish(recipe).unwrap()
        };
        for variable in RECIPE_VARIABLES {
            assert_ne!(recipe_with(None), recipe_with(Some(variable)), "{variable}");
        }
        let mut env = Environment::new(&|_| None);
        let (first, second) = (recipe(&mut env), recipe(&mut env));
        assert_eq!(env.finish(first.or(second)).unwrap_err().problems.len(), 10);
    }

    #[test]
    fn one_bucket_for_originals_and_thumbnails_is_refused() {
        let lookup = with(&[
            ("PHOTODROP_TABLE_NAME", "t"),
            ("PHOTODROP_ORIGINALS_BUCKET", "b"),
            ("PHOTODROP_THUMBNAILS_BUCKET", "b"),
        ]);
        let mut env = Environment::new(&lookup);
        let storage = Storage::read(&mut env);
        assert!(env.finish(storage).unwrap_err().to_string().contains("two buckets are needed"));
    }
}
