import type { MessagePort } from 'node:worker_threads'
import type { ExportersHeard } from '../collect/exporters.ts'
import type { PipelineConfig, PipelineStatus } from '../collect/pipeline.ts'
import type { PlacesConfig } from '../enrich/places.ts'
import type { InventoryConfig } from '../inventory/machine.ts'
import type { KeyValue } from '../query/dimensions.ts'
import type { Condition } from '../query/filter/condition-tree.ts'
import type { SpoolStatus } from '../store/spool.ts'
import type { InventoryAnswer } from '../api/contract/system.ts'

// What the main thread and the pipeline's thread say to each other.

/** Structured-cloneable: it travels to the worker as workerData. */
export interface PipelineThreadConfig {
  readonly pipeline: PipelineConfig
  readonly inventory: InventoryConfig
  readonly places: PlacesConfig
  readonly spool: { readonly dir: string; readonly maxBytes: number }
  readonly inventoryFile: string
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
}

export interface PipelineReport {
  readonly pipeline: PipelineStatus
  readonly spool: SpoolStatus
  readonly inventoryRefused: number
  /** Flow rows taken through the batch door. */
  readonly doorRows: number
}

/** What can be asked of the pipeline's thread, and what it answers. */
export interface PipelineQuestions {
  report: PipelineReport
  exporters: ExportersHeard
  inventory: InventoryAnswer
  /** Addresses of exporters and their names. */
  names: readonly (readonly [address: string, name: string])[]
}

export type ToPipeline =
  | { readonly type: 'ask'; readonly id: number; readonly what: keyof PipelineQuestions }
  /** Tells of flows that match as they come, until it is to stop; see ../query/followers.ts. */
  | { readonly type: 'follow'; readonly id: number; readonly condition: Condition; readonly columns: readonly string[] }
  | { readonly type: 'taken'; readonly id: number; readonly rows: number }
  | { readonly type: 'unfollow'; readonly id: number }
  /** Takes batches from the port; see batch-door.ts. */
  | { readonly type: 'door'; readonly port: MessagePort }
  | { readonly type: 'stop' }

export type FromPipeline =
  | { readonly type: 'ready' }
  | {
      readonly type: 'failed'
      readonly code: string | undefined
      readonly message: string
      readonly hint: string | undefined
    }
  | { readonly type: 'written'; readonly file: string }
  | { readonly type: 'answer'; readonly id: number; readonly value: PipelineQuestions[keyof PipelineQuestions] }
  | { readonly type: 'shown'; readonly id: number; readonly rows: KeyValue[][]; readonly missed: number }
  | { readonly type: 'stopped' }
