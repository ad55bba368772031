import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createApi } from '../api/api.ts'
import type { Clock } from '../base/clock.ts'
import { makeDirectory } from '../base/directory.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import { pipelineMetrics } from '../collect/pipeline-metrics.ts'
import { createAsk } from '../query/ask.ts'
import { createFollow } from '../query/follow.ts'
import { createSaved } from '../query/saved.ts'
import { createNetworks } from '../enrich/networks.ts'
import { createKnownNames } from '../enrich/known-names.ts'
import { createPlaces } from '../enrich/places.ts'
import { createReverseNames } from '../inventory/reverse-names.ts'
import { createServices } from '../inventory/services.ts'
import { createVendors } from '../inventory/vendors.ts'
import { createClusterRoller } from '../store/cluster-roller.ts'
import { createClusterStore } from '../store/cluster.ts'
import { createEmbeddedStore } from '../store/embedded.ts'
import { LOCAL_HOME } from '../store/home.ts'
import { createLoader } from '../store/loader.ts'
import { createRoller, type Roller } from '../store/roller.ts'
import { createLog, rateLimited } from '../telemetry/log.ts'
import { createRegistry, registerMetrics } from '../telemetry/metrics.ts'
import type { Config } from './config.ts'
import { createDemo, DEMO_PAST_MS } from './demo.ts'
import { withDemoInventory } from './demo-config.ts'
import { createEvents } from './events.ts'
import { createExporterNames } from './exporter-names.ts'
import { createStoreContent, healthOf } from './health.ts'
import { tcpListenersOf, udpListenersOf } from './listeners-config.ts'
import { netflowOptionsOf } from './netflow-config.ts'
import { inventoryConfigOf } from './inventory-config.ts'
import type { PipelineReport } from './pipeline-messages.ts'
import { createPipelineThread } from './pipeline-thread.ts'
import { clusterStoreOf, keepDaysOf, keepOf } from './storage-config.ts'
import { createStorageReport } from './storage-report.ts'
import { storeMetrics } from './store-metrics.ts'

// Everything that a server is, and how it is wired:
//
//   pipeline thread ── spool files ──▶ loader ──▶ store (a process of its own, or ClickHouse servers)
//        ▲ report, exporters, inventory            ▲ questions
//        └────────────── API and console ──────────┘

export interface ServerDeps {
  readonly clock: Clock
  readonly version: string
  /** Adds the simulated data center as a live source. */
  readonly demo: boolean
}

/** How long the loader may go on storing at the end: what is left waits in the spool for the next start. */
const LAST_INSERT_MS = 1_500
const REPORT_FRESH_MS = 500

export function createServer(given: Config, deps: ServerDeps) {
  const config = deps.demo ? withDemoInventory(given) : given
  const { clock } = deps
  const data = resolve(config.data)
  const log = createLog({ level: config.log.level, name: 'serve' })
  const limited = rateLimited(log, clock)
  const storeLog = {
    info: (message: string) => log.info(message),
    warn: (message: string) => limited.warn({}, message),
  }
  const startedAt = clock.now()

  const spoolDir = join(data, 'spool')
  const servers = clusterStoreOf(config, spoolDir)
  const cluster = servers && createClusterStore(servers, { clock, log: storeLog })
  const store =
    cluster ??
    createEmbeddedStore(
      {
        dir: join(data, 'store'),
        keepDays: keepDaysOf(config),
        keep: keepOf(config),
        ...(config.storage.maxBytes === null ? {} : { maxBytes: config.storage.maxBytes }),
        memoryBytes: config.storage.memory,
        queryMemoryBytes: Math.min(config.query.maxMemory, config.storage.memory),
        queryTimeoutMs: config.query.timeoutSeconds * 1000,
        readers: config.query.concurrency,
      },
      { clock, log: storeLog, noted: () => roller.look(), owes: (before) => roller.owes?.(before) ?? false },
    )
  const roller: Roller = cluster
    ? createClusterRoller({ memoryBytes: config.query.maxMemory }, { store: cluster, clock, log: storeLog })
    : createRoller({ memoryBytes: Math.floor(config.storage.memory / 4) }, { store, clock, log: storeLog })
  const loader = createLoader(
    { dir: spoolDir },
    {
      store,
      clock,
      log: storeLog,
      stored: async (table) => {
        if (table === 'flows') await roller.arrived()
      },
    },
  )
  const pipeline = createPipelineThread(
    {
      pipeline: {
        listeners: udpListenersOf(config),
        tcp: tcpListenersOf(config),
        receiver: config.receive.method,
        receivers: config.receive.threads,
        receiveBufferBytes: config.receive.buffer,
        netflow: netflowOptionsOf(config),
        stateFile: join(data, 'state', 'templates.json'),
      },
      inventory: inventoryConfigOf(config),
      places: config.names,
      spool: { dir: spoolDir, maxBytes: config.spool.maxBytes },
      inventoryFile: join(data, 'state', 'inventory.json'),
      logLevel: config.log.level,
    },
    {
      written: (file) => loader.notify(file),
      lost: (error) => {
        log.fatal({ err: error }, 'the pipeline ended; the server ends with it, what was accepted is in the spool')
        process.exitCode = 1
        void stop()
      },
    },
  )

  const saved = createSaved({ file: join(data, 'state', 'state.sqlite') }, { clock })
  // The pipeline has databases of its own: no question may wait for a batch, and no batch for a question.
  const places = createPlaces(config.names, { log, nameId: () => 0 })
  const { reverseDns, dnsServers, dnsPerSecond } = config.names
  const reverse =
    reverseDns === 'off' ? undefined : createReverseNames({ servers: dnsServers, perSecond: dnsPerSecond }, { clock })
  const names = createKnownNames({
    ...(reverse ? { reverse } : {}),
    onlyInternal: reverseDns === 'internal',
    realmOf: createNetworks(config.inventory.networks),
    places,
    vendors: createVendors(),
    services: createServices(),
  })

  /** What the words of a filter mean here. */
  const words = {
    exporterAddresses: (pattern: string) => exporterNames.addresses(pattern),
    namedFilter: (name: string) => saved.filters.text(name),
    filterNames: () => saved.filters.names(),
    ...(config.names.autonomousSystems === null ? {} : { asNumbers: (name: string) => places.numbersOf(name) }),
  }
  const ask = createAsk(
    {
      atOnce: config.query.concurrency,
      timeoutMs: config.query.timeoutSeconds * 1000,
      maxMemoryBytes: config.query.maxMemory,
    },
    {
      store,
      clock,
      rollups: roller,
      ...words,
      exporterNames: () => exporterNames.all(),
    },
  )
  const follow = createFollow(pipeline, words)
  const exporterNames = createExporterNames(() => pipeline.ask('names'))
  const contentOfStore = createStoreContent({ store, home: cluster?.home ?? LOCAL_HOME, clock })
  const storage = createStorageReport(config, {
    store,
    home: cluster?.home ?? LOCAL_HOME,
    roller,
  })
  let lastReport: { at: number; report: Promise<PipelineReport> } | undefined
  let latest: PipelineReport | undefined

  /** The pipeline's own counters, asked for at most twice a second whoever wants them. */
  function report(): Promise<PipelineReport> {
    const now = clock.now()
    if (!lastReport || Math.abs(now - lastReport.at) > REPORT_FRESH_MS) {
      lastReport = { at: now, report: pipeline.ask('report') }
      lastReport.report.then((value) => (latest = value)).catch(() => (lastReport = undefined))
    }
    return lastReport.report
  }

  const events = createEvents(
    { file: join(data, 'state', 'state.sqlite') },
    {
      clock,
      version: deps.version,
      see: async () => {
        const [heard, { pipeline: current }] = await Promise.all([pipeline.ask('exporters'), report()])
        const { datagrams, flows } = current.ledger
        return {
          exporters: heard.exporters,
          store: store.status(),
          kernelDropped: datagrams.kernelDropped,
          queueDropped: flows.queueDropped,
          spoolRefused: flows.spoolRefused,
        }
      },
    },
  )

  const registry = createRegistry()

  async function metricsText(): Promise<string> {
    await report()
    return registry.metrics()
  }

  async function health() {
    const [current, content] = await Promise.all([report(), contentOfStore()])
    return healthOf({
      version: deps.version,
      startedAt,
      now: clock.now(),
      report: current,
      store: store.status(),
      content,
      loader: loader.status(),
      roller: roller.status(),
      spoolLimitBytes: config.spool.maxBytes,
    })
  }

  const webRoot = fileURLToPath(new URL('../../web/dist', import.meta.url))
  let api: Awaited<ReturnType<typeof createApi>> | undefined
  let demo: ReturnType<typeof createDemo> | undefined
  let starting: Promise<unknown> | undefined
  let stopping = false
  const stopped = Promise.withResolvers<void>()

  /** Rejects with what the operator has to mend, or with `server_stopped` if it was stopped meanwhile. */
  function start(): ReturnType<typeof startParts> {
    const started = startParts()
    starting = started.catch(() => undefined)
    return started
  }

  /** One step of the start. The next one is not taken if the server was stopped meanwhile. */
  async function step<T>(taken: Promise<T>): Promise<T> {
    const result = await taken
    if (stopping) throw new OperatorError('server_stopped', 'the server was stopped while it started')
    return result
  }

  async function startParts(): Promise<{ url: string; listeners: PipelineReport['pipeline']['listeners'] }> {
    prepareData(data)
    saved.start()
    await step(places.start())
    await step(store.start())
    await step(loader.start())
    roller.start()
    await step(pipeline.start())
    exporterNames.start()
    events.start()
    latest = await step(report())
    registerMetrics(registry, [
      ...pipelineMetrics(() => (latest as PipelineReport).pipeline),
      ...storeMetrics({
        store: () => store.status(),
        loader: () => loader.status(),
        roller: () => roller.status(),
        spool: () => (latest as PipelineReport).spool,
      }),
    ])
    api = await createApi(
      { host: config.http.host, version: deps.version, trustProxy: config.http.trustProxy },
      {
        ask,
        follow,
        names,
        saved,
        health,
        events,
        exporters: () => pipeline.ask('exporters'),
        inventory: () => pipeline.ask('inventory'),
        metricsText,
        storage,
        ...(existsSync(join(webRoot, 'index.html')) ? { webRoot } : {}),
      },
    )
    const url = await step(listen(api, config.http))
    if (deps.demo) startDemo(latest.pipeline.listeners, (await step(contentOfStore())).newest)
    return { url, listeners: latest.pipeline.listeners }
  }

  function startDemo(listeners: PipelineReport['pipeline']['listeners'], newest: number | null): void {
    const listener = listeners.find(({ receiver }) => receiver !== 'tcp' && receiver !== 'tls')
    if (listener === undefined) throw new UserError('the simulated data center needs a listener with a UDP port')
    const any = listener.address === '::' || listener.address === '0.0.0.0'
    demo = createDemo(
      {
        target: { host: any ? '127.0.0.1' : listener.address, port: listener.port },
        pastFrom: Math.max(clock.now() - DEMO_PAST_MS, newest ?? 0),
      },
      {
        openDoor: (port) => pipeline.openDoor(port),
        failed: (error) => log.error({ err: error }, 'the simulated data center ended'),
      },
    )
    demo.start()
  }

  /** Drains and closes: what was received is in the spool or in the store when this resolves. Can be called again. */
  function stop(): Promise<void> {
    if (!stopping) {
      stopping = true
      void stopParts().then(stopped.resolve)
    }
    return stopped.promise
  }

  async function stopParts(): Promise<void> {
    // Of a start, only opening the store may last.
    if (store.status().state === 'starting') await ended('the store', store.stop())
    await starting
    await ended('the API', api?.close())
    await ended('the simulated data center', demo?.stop())
    exporterNames.stop()
    events.stop()
    places.stop()
    reverse?.stop()
    await ended('the pipeline', pipeline.stop())
    await Promise.race([
      loader.drained().catch(() => undefined),
      new Promise((resolve) => setTimeout(resolve, LAST_INSERT_MS, undefined).unref()),
    ])
    await ended('the rollups', roller.stop())
    // An insert under way ends, or is left to the next start, by the store's grace.
    await Promise.all([ended('the loader', loader.stop()), ended('the store', store.stop())])
    saved.stop()
  }

  /** What fails to stop keeps nothing else from it. */
  async function ended(part: string, end: Promise<unknown> | undefined): Promise<void> {
    try {
      await end
    } catch (error) {
      log.error({ err: error }, `${part} did not stop as it should`)
      process.exitCode = 1
    }
  }

  /** `stopped` resolves when the server has stopped, by whatever cause. */
  return { start, stop, stopped: stopped.promise, health }
}

function prepareData(data: string): void {
  try {
    makeDirectory(data)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error'
    throw new OperatorError('data_directory', `the data directory ${data} cannot be made (${code})`, {
      cause,
      hint: 'name a directory that this user may write to, with --data or in the configuration',
    })
  }
}

async function listen(
  api: { listen(options: { host: string; port: number }): Promise<string> },
  http: { host: string; port: number },
) {
  try {
    return await api.listen(http)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    const where = `${http.host} port ${http.port}`
    if (code === 'EADDRINUSE') {
      throw new OperatorError('port_in_use', `${where} (TCP) is taken by another program`, {
        cause,
        hint: 'stop that program, or choose another address with --http HOST:PORT',
      })
    }
    throw new OperatorError('listen_failed', `the console cannot listen on ${where} (${code ?? 'unknown error'})`, {
      cause,
      hint: 'choose an address of this machine and a port that this user may open, with --http HOST:PORT',
    })
  }
}
