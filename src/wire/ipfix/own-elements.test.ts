import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { elementName, elementsWith } from './registry.ts'
import { parseElements } from './own-elements.ts'

describe('elements of a file', () => {
  test('are read with tabs or spaces, comments and blank lines left out', () => {
    const text = '# ntop\n\n35632\t57\tl7Protocol\tunsigned16\r\n  35632 58  l7ProtocolName string # text\n'
    assert.deepEqual(parseElements(text), {
      elements: [
        { enterprise: 35632, id: 57, name: 'l7Protocol', type: 'unsigned16' },
        { enterprise: 35632, id: 58, name: 'l7ProtocolName', type: 'string' },
      ],
      problems: [],
    })
  })

  test('that are wrong are told by line, with what was expected and what stands there', () => {
    const text = [
      '35632 57 l7Protocol',
      'x 57 a string',
      '4294967296 57 a string',
      '1 0 a string',
      '1 32768 a string',
      '0 40000 a string',
      '1 2 __proto__ string',
      '1 2 a text',
      '1 2 a string',
      '1 2 b string',
    ].join('\n')
    const { elements, problems } = parseElements(text)
    assert.deepEqual(
      elements.map(({ name }) => name),
      ['a', 'a'],
    )
    assert.deepEqual(
      problems.map(({ line, expected, found }) => `${line}: expected ${expected}, found ${found}`.slice(0, 90)),
      [
        '1: expected enterprise, id, name and type, found 3 words',
        '2: expected an enterprise number from 0 to 4294967295, found x',
        '3: expected an enterprise number from 0 to 4294967295, found 4294967296',
        '4: expected an element id from 1 to 32767, found 0',
        '5: expected an element id from 1 to 32767, found 32768',
        '7: expected a name of letters, digits, _, . and -, a letter first, found __proto__',
        '8: expected a type: octetArray, unsigned8, unsigned16, unsigned32, unsigned64, signed8, si',
        '10: expected an element that stands once, found 1 2 again (line 9)',
      ],
    )
  })

  test('go before those of the registries', () => {
    const elements = elementsWith([{ enterprise: 6876, id: 880, name: 'mine', type: 'string' }])
    assert.equal(elementName(6876, 880, elements), 'mine')
    assert.equal(elementName(6876, 881, elements), 'tenantSourceIPv4')
    assert.equal(elementName(1, 1, elements), 'e1.1')
  })
})
