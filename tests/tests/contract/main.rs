//! What holds without a stack: the sample events and the dependency tree.

#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod events;
#[cfg(test)]
mod schemas;
