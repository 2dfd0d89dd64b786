// MusterConfig: what the agent and the coordinator are told in their files, as values.
//
// A document arrives as a `ConfigNode` (the driver MusterYAML reads it) and leaves as an `AgentConfig` or a
// `CoordinatorConfig`: every value present, typed and in its range, defaults filled in. An unknown key, a wrong type or
// a bad value is a `ConfigError` with file, line, key and what is allowed. Defaults and bounds are named constants
// beside the value they belong to; docs/reference/configuration.md lists them, and a test keeps the two together.
//
// What another module decodes by its own rules (alerting) stays a node.
