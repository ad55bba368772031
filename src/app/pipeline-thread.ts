import { extname } from 'node:path'
import { Worker, type MessagePort } from 'node:worker_threads'
import { BugError, OperatorError } from '../base/errors.ts'
import type { FlowSource, Followed, Shown } from '../query/follow.ts'
import type { FromPipeline, PipelineQuestions, PipelineThreadConfig, ToPipeline } from './pipeline-messages.ts'

export interface PipelineThreadDeps {
  /** A spool file has become visible. */
  readonly written: (file: string) => void
  /** The thread ended by itself. */
  readonly lost: (error: Error) => void
}

/** The pipeline's thread as the main thread sees it. */
export function createPipelineThread(config: PipelineThreadConfig, deps: PipelineThreadDeps) {
  let worker: Worker | undefined
  let stopping = false
  let nextId = 1
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  let exited = Promise.resolve()
  const following = new Map<number, { take: (shown: Shown) => void; ended: () => void }>()

  const post = (message: ToPipeline): void => worker?.postMessage(message)

  return {
    /** Listens. Rejects with an OperatorError, such as `port_in_use`. */
    async start(): Promise<void> {
      const file = new URL(`./pipeline-worker${extname(import.meta.filename)}`, import.meta.url)
      const started = new Worker(file, { workerData: config, name: 'pipeline' })
      worker = started
      await new Promise<void>((resolve, reject) => {
        let ready = false
        let told = false
        const lost = (error: Error): void => {
          if (!ready) reject(error)
          else if (!told) deps.lost(error)
          told = true
        }
        started.on('message', (message: FromPipeline) => {
          if (message.type === 'ready') {
            ready = true
            resolve()
          } else if (message.type === 'failed') {
            lost(
              new OperatorError(
                message.code ?? 'listen_failed',
                message.message,
                message.hint === undefined ? {} : { hint: message.hint },
              ),
            )
            void started.terminate()
          } else if (message.type === 'written') {
            deps.written(message.file)
          } else if (message.type === 'answer') {
            waiting.get(message.id)?.resolve(message.value as never)
            waiting.delete(message.id)
          } else if (message.type === 'shown') {
            following.get(message.id)?.take({ rows: message.rows, missed: message.missed })
          } else {
            // It has written all that it had.
            void started.terminate()
          }
        })
        started.on('error', lost)
        const { promise, resolve: isOver } = Promise.withResolvers<void>()
        exited = promise
        started.on('exit', (code) => {
          worker = undefined
          for (const { reject: refuse } of waiting.values()) refuse(away())
          waiting.clear()
          for (const { ended } of following.values()) ended()
          following.clear()
          if (!ready || !stopping) lost(new BugError(`the pipeline's thread ended by itself (status ${code})`))
          isOver()
        })
      })
    },

    /** Ends receiving; resolves when all that was received is in the spool. */
    async stop(): Promise<void> {
      stopping = true
      post({ type: 'stop' })
      await exited
    },

    /** Lets another thread hand batches in; see batch-door.ts. */
    openDoor(door: MessagePort): void {
      worker?.postMessage({ type: 'door', port: door } satisfies ToPipeline, [door])
    },

    /** Flows that match, as they come. */
    follow(...[condition, columns, take, ended]: Parameters<FlowSource['follow']>): Followed {
      const id = nextId++
      following.set(id, { take, ended })
      post({ type: 'follow', id, condition, columns })
      return {
        taken: (rows) => post({ type: 'taken', id, rows }),
        end: () => {
          following.delete(id)
          post({ type: 'unfollow', id })
        },
      }
    },

    ask<What extends keyof PipelineQuestions>(what: What): Promise<PipelineQuestions[What]> {
      const id = nextId++
      return new Promise((resolve, reject) => {
        if (!worker) {
          reject(away())
          return
        }
        waiting.set(id, { resolve: resolve as (value: never) => void, reject })
        post({ type: 'ask', id, what })
      })
    },
  }
}

function away(): OperatorError {
  return new OperatorError('pipeline_away', 'the pipeline is not running', { retryable: true })
}
