import { dirname, basename } from 'node:path'
import { BugError, OperatorError } from '../base/errors.ts'
import { quoted } from './literal.ts'
import { structureOf, TABLES, type TableDefinition } from './schema.ts'

// A group of files becomes one block: nothing is stored unless all of it could be read, and the engine knows the block
// again by token and partition, whatever the order of its rows.

// A clock that was wrong, or captures of many years, may spread a group over any number of days.
const ONE_BLOCK =
  'min_insert_block_size_rows = 1000000000, min_insert_block_size_bytes = 0, max_partitions_per_insert_block = 0'
const ONE_THREAD = 'max_threads = 1, max_insert_threads = 1'

/** The statement that inserts Native files of a table under a token. All files lie in one directory. */
export function insertStatement(table: string, files: readonly string[], token: string): string {
  const definition = tableNamed(table)
  const columns = definition.columns.map((c) => c.name).join(', ')
  return `INSERT INTO ${table} (${columns}) SETTINGS insert_deduplication_token = ${quoted(token)}, deduplicate_blocks_in_dependent_materialized_views = 1, ${ONE_BLOCK}, ${ONE_THREAD}, max_execution_time = 0, max_memory_usage = 0
SELECT ${columns} FROM ${source(definition, files)}`
}

/** Memory that one file may take to be read: a damaged one may ask for any. */
const CHECK_MEMORY = 512 * 2 ** 20

/** The statement that reads a Native file to its end and keeps nothing. */
export function checkStatement(table: string, file: string): string {
  const definition = tableNamed(table)
  const columns = definition.columns.map((c) => c.name).join(', ')
  return `SELECT ${columns} FROM ${source(definition, [file])} SETTINGS ${ONE_THREAD}, max_execution_time = 0, max_memory_usage = ${CHECK_MEMORY}`
}

function tableNamed(table: string): TableDefinition {
  const definition = TABLES.find((t) => t.name === table)
  if (!definition) throw new BugError(`there is no table ${table}`)
  return definition
}

function source(definition: TableDefinition, files: readonly string[]): string {
  return `file(${quoted(filePattern(files))}, 'Native', ${quoted(structureOf(definition))})`
}

function filePattern(files: readonly string[]): string {
  const first = files[0]
  if (first === undefined) throw new BugError('an insert without files')
  const dir = dirname(first)
  if (/[*?{}]/.test(dir)) {
    throw new OperatorError(
      'store_directory',
      `the spool directory ${dir} has a character in its name that the engine takes for a pattern: * ? { }`,
    )
  }
  return files.length === 1 ? first : `${dir}/{${files.map((file) => basename(file)).join(',')}}`
}
