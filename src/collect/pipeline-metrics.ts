import type { MetricDefinition, Reading } from '../telemetry/metrics.ts'
import type { PipelineStatus } from './pipeline.ts'

/** UDP and TCP may have the same port. */
function listenerName({ address, port, receiver }: PipelineStatus['listeners'][number]): string {
  return receiver === 'tcp' || receiver === 'tls' ? `${address} ${port} ${receiver}` : `${address} ${port}`
}

/** The pipeline's counters for Prometheus, out of its last status. */
export function pipelineMetrics(status: () => PipelineStatus): MetricDefinition[] {
  const counter = (name: string, help: string, value: (s: PipelineStatus) => number): MetricDefinition => ({
    name,
    help,
    kind: 'counter',
    read: () => value(status()),
  })
  const gauge = (name: string, help: string, value: (s: PipelineStatus) => number): MetricDefinition => ({
    name,
    help,
    kind: 'gauge',
    read: () => value(status()),
  })
  const perListener = (value: (listener: PipelineStatus['listeners'][number]) => number) => (): Reading[] =>
    status().listeners.map((one) => ({ labels: { listener: listenerName(one) }, value: value(one) }))
  const labels = ['listener']
  return [
    {
      name: 'datagrams_received_total',
      help: 'Datagrams read from the socket',
      kind: 'counter',
      labels,
      read: perListener((l) => l.datagrams),
    },
    {
      name: 'received_bytes_total',
      help: 'Bytes of the datagrams read',
      kind: 'counter',
      labels,
      read: perListener((l) => l.bytes),
    },
    {
      name: 'datagrams_kernel_dropped_total',
      help: 'Datagrams that the kernel dropped because the receive buffer was full',
      kind: 'counter',
      labels,
      read: perListener((l) => l.kernelDropped),
    },
    {
      name: 'receive_buffer_bytes',
      help: 'Receive buffer of the socket',
      kind: 'gauge',
      labels,
      read: perListener((l) => l.receiveBufferBytes),
    },
    counter('datagrams_rejected_total', 'Datagrams of which nothing could be made', (s) => s.ledger.datagrams.rejected),
    counter('flows_decoded_total', 'Flow rows decoded', (s) => s.ledger.flows.decoded),
    counter(
      'flows_queue_dropped_total',
      'Flow rows dropped because every batch waited for the spool',
      (s) => s.ledger.flows.queueDropped,
    ),
    counter('flows_spool_refused_total', 'Flow rows that the spool refused', (s) => s.ledger.flows.spoolRefused),
    counter('flows_spooled_total', 'Flow rows written to the spool', (s) => s.ledger.flows.spooled),
    gauge('flows_in_flight', 'Flow rows between the receiver and the spool', (s) => s.ledger.flows.inFlight),
    counter('counters_decoded_total', 'Counter values decoded', (s) => s.ledger.metrics.decoded),
    counter('counters_dropped_total', 'Counter values dropped or refused', (s) => s.ledger.metrics.dropped),
    counter('counters_spooled_total', 'Counter values written to the spool', (s) => s.ledger.metrics.spooled),
    counter('decode_failures_total', 'Datagrams on which a decoder failed', (s) => s.decodeFailures),
    {
      name: 'problems_total',
      help: 'What was wrong in datagrams, by its code',
      kind: 'counter',
      labels: ['code'],
      read: () => Object.entries(status().problems).map(([code, value]) => ({ labels: { code }, value })),
    },
    gauge('streams', 'Streams of exporters kept', (s) => s.streams.kept),
    counter('streams_evicted_total', 'Streams forgotten because there were too many', (s) => s.streams.evicted),
    gauge('templates', 'Templates kept', (s) => s.streams.templates),
    gauge('pending', 'Datagrams or sets that wait for their template', (s) => s.streams.pending),
    gauge('batches_free', 'Batches that receivers can still fill', (s) => s.queue.batchesFree),
  ]
}
