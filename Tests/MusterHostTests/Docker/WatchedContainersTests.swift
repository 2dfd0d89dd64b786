import MusterHost
import MusterModel
import Testing

@Suite struct WatchedContainersTests {
    private func observed(_ id: String, _ state: Container.State = .running, labels: Labels = [:]) -> ObservedContainer
    {
        ObservedContainer(container: Container(id: id, name: "n" + id, image: "i", labels: labels, state: state))
    }

    private func current(_ ids: [String], selector: LabelSelector? = nil) -> WatchedContainers {
        var watched = WatchedContainers(selector: selector)
        watched.listed(ids)
        for id in watched.takeDue(.max) { _ = watched.inspected(id, observed(id, labels: ["app": "web"])) }
        return watched
    }

    @Test func nothingIsKnownBeforeTheFirstList() {
        let watched = WatchedContainers(selector: nil)
        #expect(!watched.isCurrent)
        #expect(watched.observation == ContainerObservation(problem: "not asked yet"))
    }

    @Test func aListMakesEverythingDueAndForgetsWhatIsGone() {
        var watched = current(["a", "b"])
        #expect(watched.observation.containers.map(\.container.id) == ["a", "b"])
        watched.listed(["b", "c"])
        #expect(watched.due == ["b", "c"])
        #expect(watched.observation.containers.map(\.container.id) == ["b"])
        #expect(watched.takeDue(1) == ["b"])
        #expect(watched.takeDue(9) == ["c"])
    }

    @Test func eventsMakeAContainerDueAndDestroyedOnesGo() {
        var watched = current(["a"])
        #expect(watched.eventArrived(DockerEvent(containerID: "a", action: "die")) == false)
        #expect(watched.eventArrived(DockerEvent(containerID: "b", action: "start")) == false)
        #expect(watched.due == ["a", "b"])
        #expect(watched.eventArrived(DockerEvent(containerID: "a", action: "destroy")) == true)
        #expect(watched.eventArrived(DockerEvent(containerID: "x", action: "destroy")) == false)
        #expect(watched.due == ["b"])
    }

    @Test func inspectionsAreNewsOnlyWhenTheyDiffer() {
        var watched = current(["a"])
        #expect(watched.inspected("a", observed("a", labels: ["app": "web"])) == false)
        #expect(watched.inspected("a", observed("a", .exited, labels: ["app": "web"])) == true)
        #expect(watched.inspected("a", nil) == true)
        #expect(watched.inspected("a", nil) == false)
    }

    @Test func aGapKeepsWhatWasSeenAndSaysSo() {
        var watched = current(["a"])
        #expect(watched.gapOpened("the daemon went away") == true)
        #expect(watched.gapOpened("the daemon went away") == false)
        #expect(watched.gapOpened("another reason") == true)
        #expect(watched.observation.containers.count == 1)
        #expect(!watched.observation.isCurrent)
        #expect(watched.observation.problem == "another reason")
        watched.listed(["a"])
        #expect(watched.isCurrent)
        #expect(watched.problem == nil)
    }

    @Test func onlySelectedContainersAreSeen() {
        var watched = current(["a"], selector: LabelSelector("app", "web"))
        #expect(
            watched.eventArrived(DockerEvent(containerID: "b", action: "start", attributes: ["app": "db"])) == false)
        #expect(watched.due.isEmpty)
        _ = watched.eventArrived(DockerEvent(containerID: "c", action: "start", attributes: ["app": "web"]))
        #expect(watched.due == ["c"])
        #expect(watched.inspected("c", observed("c")) == false)
        // An event of a network carries no labels; it is believed of those that are known.
        _ = watched.eventArrived(DockerEvent(containerID: "a", action: "connect"))
        #expect(watched.due == ["c", "a"])
    }

    @Test func noMoreContainersAreSeenThanTheLimit() {
        let ids = (0..<Limits.containersPerHost + 5).map { "c\($0)" }
        var watched = current(ids)
        #expect(watched.containers.count == Limits.containersPerHost)
        #expect(watched.omitted == 5)
        #expect(watched.problem?.contains("5 containers over the limit") == true)
        _ = watched.eventArrived(DockerEvent(containerID: "new", action: "start"))
        #expect(watched.due.isEmpty)
        #expect(watched.omitted == 6)
    }
}
