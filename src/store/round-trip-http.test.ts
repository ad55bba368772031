// Every test of round-trip.test.ts once more, over HTTP.
process.env['VNETSCOPE_TEST_HOME'] = 'server'
await import('./round-trip.test.ts')

export {}
