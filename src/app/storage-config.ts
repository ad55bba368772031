import { readFileSync } from 'node:fs'
import { OperatorError } from '../base/errors.ts'
import type { ClusterStoreConfig } from '../store/cluster.ts'
import type { EmbeddedStoreConfig } from '../store/embedded.ts'
import type { Config } from './config.ts'

/** What is kept of each kind of table. */
export function keepOf({ storage }: Config): NonNullable<EmbeddedStoreConfig['keep']> {
  const kinds = ['flows', 'counters', 'minutes', 'hours', 'days'] as const
  return Object.fromEntries(
    kinds.map((kind) => {
      const { retentionDays, maxBytes } = storage[kind]
      const days = retentionDays ?? (kind === 'flows' || kind === 'counters' ? storage.retentionDays : null)
      return [kind, { ...(days === null ? {} : { days }), ...(maxBytes === null ? {} : { maxBytes }) }]
    }),
  )
}

/** Without an age, only the size bounds what is kept. */
export function keepDaysOf(config: Config): number {
  return config.storage.retentionDays ?? 36_500
}

/** The ClickHouse servers that the configuration names, if any. Throws if a password, certificate or key can't be read. */
export function clusterStoreOf(config: Config, spoolDir: string): ClusterStoreConfig | undefined {
  const { storage } = config
  if (storage.url === null) return undefined
  const password =
    storage.passwordFile === null ? storage.password : (contentOf(storage.passwordFile).split(/\r?\n/, 1)[0] as string)
  const tls = {
    ...(storage.tls.ca === null ? {} : { ca: contentOf(storage.tls.ca) }),
    ...(storage.tls.cert === null ? {} : { cert: contentOf(storage.tls.cert) }),
    ...(storage.tls.key === null ? {} : { key: contentOf(storage.tls.key) }),
  }
  return {
    servers: storage.url.map((url) => ({
      url,
      tls,
      ...(storage.user === null ? {} : { user: storage.user }),
      ...(password === null ? {} : { password }),
    })),
    ...(storage.cluster === null ? {} : { cluster: storage.cluster }),
    database: storage.database,
    spoolDir,
    keepDays: keepDaysOf(config),
    keep: keepOf(config),
    ...(storage.maxBytes === null ? {} : { maxBytes: storage.maxBytes }),
    queryMemoryBytes: config.query.maxMemory,
    queryTimeoutMs: config.query.timeoutSeconds * 1000,
    quorum: storage.quorum,
  }
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : (code ?? 'unknown error')
    throw new OperatorError('storage_files', `cannot read ${file} for the store: ${why}`, { cause })
  }
}
