package import MusterModel

/// A running container whose cgroup is to be measured.
package struct ContainerTarget: Hashable, Sendable {
    /// The engine's identity of it. The path of its cgroup contains it; a process of which that is not true is another
    /// one that got the same number.
    package var id: String
    package var name: String
    package var image: String
    /// The number of its first process, as the host counts.
    package var pid: Int32
    /// More labels for each of its series, for example the service.
    package var labels: Labels

    package init(id: String, name: String, image: String, pid: Int32, labels: Labels = Labels()) {
        self.id = id
        self.name = name
        self.image = image
        self.pid = pid
        self.labels = labels
    }
}
