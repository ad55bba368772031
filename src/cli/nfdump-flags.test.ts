import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import { UserError } from '../base/errors.ts'
import { formatted, readFormat } from './query-format.ts'
import { addNfdumpFlags, refuseNfdumpFlags } from './nfdump-flags.ts'

test('each flag that serves nfdump’s files alone is refused with what to do instead', () => {
  for (const given of [
    '-w out.nf',
    '-E file',
    '-z',
    '-y',
    '-j',
    '-J 1',
    '-G none',
    '-D 192.0.2.1',
    '-X',
    '-v x',
    '-P x',
  ]) {
    const command = new Command().argument('[filter...]').exitOverride()
    addNfdumpFlags(command)
    command.parse(given.split(' '), { from: 'user' })
    assert.throws(
      () => refuseNfdumpFlags(command.opts()),
      (error) => error instanceof UserError && error.message.startsWith(given.slice(0, 2)) && (error.hint ?? '') !== '',
    )
  }
  refuseNfdumpFlags({ r: ['x'], n: 3 })
})

test('each tag of nfdump’s manual is one here, or it is said what is not recorded', () => {
  const known =
    'line ts tfs tsr te ter tr trr td pr eng sa da sap dap gsap gdap sp dp it ic sn dn nh ra sas das in out pkt ipkt opkt byt ibyt obyt fl flg tos stos dir smk dmk fwd svln dvln ismc odmc idmc osmc mpls1 mpls bps pps bpp sc dc odid nfv n'
  for (const tag of known.split(' ')) assert.ok(readFormat(`fmt:%sa %${tag}`), tag)
  const missing =
    'cnt exp lbl nhb nas pas dtos mpls2 mpls10 sloc dloc ipl opl nbid ja3 sni nbnam opid nfc evt xevt sgt msec iacl eacl xsa xda xsp xdp xsap xdap uname nevt ivrf evrf nsa nda nsp ndp pbstart pbend pbstep pbsize cl sl al'
  for (const tag of missing.split(' ')) assert.throws(() => readFormat(`fmt:%${tag}`), /what is not recorded: /, tag)
  assert.throws(() => readFormat('fmt:%Sa'), { hint: /%sa/ })
  assert.throws(() => readFormat('fmt:bytes'), /a format needs tags/)
  assert.deepEqual(readFormat('fmt:%fl')?.columns, ['bytes'])
})

test('networks are cut to the prefix of their route, and countries stand with the address', () => {
  const flow: Readonly<Record<string, string | number>> = {
    src_addr: '10.1.203.7',
    src_mask: 20,
    dst_addr: '2001:db8:1:2::9',
    dst_mask: 33,
    src_port: 80,
    src_country: 'CH',
  }
  const shown = (tags: string): string => {
    const format = readFormat(`fmt:${tags}`)
    assert.ok(format)
    return formatted(format, [(column) => flow[column] ?? null], { quiet: true })
  }
  assert.equal(shown('%sn %dn'), '10.1.192.0/20 2001:db8::/33\n')
  assert.equal(shown('%gsap'), '10.1.203.7(CH):80\n')
})
