// Between the catalogue as the store in memory has it and as the disk has it: there every label stands once, here a
// chunk is small and stands by itself.

extension SeriesCatalogue {
    /// As chunks. `metadata` goes into the first ones.
    package func chunks(metadata: [(metric: String, metadata: MetricMetadata)] = []) -> [CatalogueChunk] {
        var writer = ChunkWriter(self)
        for (metric, metadata) in metadata { writer.add(metric, metadata) }
        var position = 0
        for entry in entries {
            let end = position + Int(entry.labelCount)
            guard end <= labelIndices.count else { break }
            writer.add(entry, labels: labelIndices[position..<end])
            position = end
        }
        return writer.finished()
    }

    /// Of a chunk. Returns the metadata in it beside.
    package init(_ chunk: CatalogueChunk) {
        self.init()
        texts = chunk.texts.bytes
        textEnds = chunk.texts.ends
        var owner: [UInt32: UInt32] = [:]
        var known: [UInt64: UInt32] = [:]
        var pair = 0
        for (index, group) in chunk.groups.enumerated() {
            if owner[group.owner] == nil {
                owner[group.owner] = UInt32(clamping: owners.count)
                owners.append(Owner(stored: chunk.texts[group.owner]))
            }
            for number in chunk.seriesRange(ofGroup: index) {
                let series = chunk.series[number]
                let first = labelIndices.count
                while pair < Int(series.pairsEnd) {
                    let label = Label(name: chunk.pairs[pair], value: chunk.pairs[pair + 1])
                    let key = UInt64(label.name) << 32 | UInt64(label.value)
                    let place = known[key] ?? UInt32(clamping: labels.count)
                    if Int(place) == labels.count {
                        known[key] = place
                        labels.append(label)
                    }
                    labelIndices.append(place)
                    pair += 2
                }
                entries.append(
                    Entry(
                        group: group.id, slot: series.slot, labelCount: UInt8(clamping: labelIndices.count - first),
                        owner: owner[group.owner] ?? 0))
            }
        }
    }

    /// The metadata of a chunk.
    package static func metadata(of chunk: CatalogueChunk) -> [(metric: String, metadata: MetricMetadata)] {
        func text(_ number: UInt32) -> String { String(decoding: chunk.texts[number], as: UTF8.self) }
        return chunk.metadata.map {
            (text($0.name), MetricMetadata(type: text($0.type), unit: text($0.unit), help: text($0.help)))
        }
    }

    private struct ChunkWriter {
        private let catalogue: SeriesCatalogue
        private var chunk = CatalogueChunk()
        private var done: [CatalogueChunk] = []
        /// By text of the catalogue: its number in the chunk, `.max` when it is not there.
        private var numbers: [UInt32]
        private var used: [UInt32] = []
        private var owners: [UInt32: UInt32] = [:]
        private var group: GroupID?

        init(_ catalogue: SeriesCatalogue) {
            self.catalogue = catalogue
            numbers = Array(repeating: .max, count: catalogue.textEnds.count)
        }

        mutating func add(_ metric: String, _ metadata: MetricMetadata) {
            let texts = [metric, metadata.type, metadata.unit, metadata.help].map { chunk.add(text: $0.utf8) }
            chunk.add(.init(name: texts[0], type: texts[1], unit: texts[2], help: texts[3]))
            if chunk.isFull { endChunk() }
        }

        mutating func add(_ entry: Entry, labels: ArraySlice<UInt32>) {
            if group != entry.group {
                chunk.beginGroup(entry.group, owner: ownerText(entry.owner))
                group = entry.group
            }
            var pairs: [UInt32] = []
            for index in labels {
                let label = catalogue.labels[Int(index)]
                pairs.append(text(label.name))
                pairs.append(text(label.value))
            }
            chunk.addSeries(slot: Int(entry.slot), pairs: pairs)
            if chunk.isFull { endChunk() }
        }

        mutating func finished() -> [CatalogueChunk] {
            if !chunk.isEmpty { endChunk() }
            return done
        }

        private mutating func text(_ number: UInt32) -> UInt32 {
            let index = Int(number)
            if numbers[index] == .max {
                let start = index == 0 ? 0 : Int(catalogue.textEnds[index - 1])
                numbers[index] = chunk.add(text: catalogue.texts[start..<Int(catalogue.textEnds[index])])
                used.append(number)
            }
            return numbers[index]
        }

        private mutating func ownerText(_ number: UInt32) -> UInt32 {
            if let known = owners[number] { return known }
            let text = chunk.add(text: catalogue.owners[Int(number)].stored)
            owners[number] = text
            return text
        }

        private mutating func endChunk() {
            done.append(chunk)
            chunk = CatalogueChunk()
            for number in used { numbers[Int(number)] = .max }
            used.removeAll(keepingCapacity: true)
            owners = [:]
            group = nil
        }
    }
}

extension SeriesCatalogue.Owner {
    /// The kind as one byte, then the key.
    fileprivate var stored: [UInt8] { [kind.rawValue] + Array(key.utf8) }

    fileprivate init(stored: ArraySlice<UInt8>) {
        let kind = stored.first.flatMap(OwnerKind.init(rawValue:)) ?? .relayed
        self.init(key: String(decoding: stored.dropFirst(), as: UTF8.self), kind: kind)
    }
}
