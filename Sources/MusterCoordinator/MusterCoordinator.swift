// MusterCoordinator: the wiring of the coordinator. It joins cores and drivers and decides nothing itself.
//
//     LinkListener -> AgentLink (one per connection) -> LinkHub -> Ingest     metrics and logs, durable, then readable
//                                                              -> Fleet      who is alive, offers what, is routed
//                                                              -> RolloutDesk
//     MetricStore -> AlertDesk -> WebhookSender
//     APIServer -> APIHandlers -> all of the above, read only but for wishes
//
// One loop or one lock owns each machine; loops are started in `Coordinator.run` and nowhere else. Everything that has
// to survive is in the control store or in the segment logs before anybody is told of it.
