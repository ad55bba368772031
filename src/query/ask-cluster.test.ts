// Every question of ask.test.ts once more, over HTTP, of tables that are spread over the shards of a cluster.
process.env['VNETSCOPE_TEST_HOME'] = 'cluster'
await import('./ask.test.ts')

export {}
