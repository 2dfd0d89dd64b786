import MusterHost
import Testing

@Suite struct DockerErrorTests {
    private func refused(_ status: Int, _ message: String) -> DockerError {
        .refused(asked: "POST /containers/x/rename", status: status, message: message)
    }

    @Test func aContainerBetweenTwoRestartsIsThereAndWorthAskingAgain() {
        let error = refused(404, "sandbox 9b6049d0b9c4 not found")
        #expect(error.isPassing)
        #expect(!error.isNotFound)
    }

    @Test func aContainerThatEndedAMomentAgoIsWorthAskingAgain() {
        #expect(refused(500, "Cannot update container e57336: cannot update a stopped container: unknown").isPassing)
    }

    @Test func aContainerThatIsGoneIsNotAskedAgain() {
        let error = refused(404, "No such container: x")
        #expect(!error.isPassing)
        #expect(error.isNotFound)
    }

    @Test(arguments: [(503, true), (500, false), (409, false)])
    func onlyAnOverwhelmedDaemonIsAskedAgain(status: Int, isPassing: Bool) {
        #expect(refused(status, "no").isPassing == isPassing)
        #expect(!refused(status, "no").isNotFound)
    }
}
