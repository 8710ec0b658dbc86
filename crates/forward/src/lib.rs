//! Destinations and formats.
