// Dragging over a picture zooms into that time; a click without a drag picks what is under the pointer.
import { useState } from 'react'
import type { PointerEvent, ReactNode, RefObject } from 'react'
import type { Bounds } from '../time/span.ts'
import { useClock } from '../time/clock.tsx'
import type { EChartsType } from './echarts.ts'

/** A place on the picture, in pixels from its corner, and in the units of its axes. */
export interface Point {
  readonly x: number
  readonly y: number
  readonly time: number
  readonly value: number
}

interface Drag {
  readonly start: number
  readonly now: number
}

/** A hand that clicks still moves this many pixels. */
const STILL = 6
const LEAST_MS = 2000

export function Brush({
  chart,
  bounds,
  height,
  onPoint,
  children,
}: {
  readonly chart: RefObject<EChartsType | undefined>
  readonly bounds: Bounds
  readonly height: number
  readonly onPoint?: ((point: Point) => void) | undefined
  readonly children: ReactNode
}) {
  const clock = useClock()
  const [drag, setDrag] = useState<Drag>()
  const dragged = drag !== undefined && Math.abs(drag.now - drag.start) > STILL
  const place = (event: PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect()
    return [event.clientX - box.left, event.clientY - box.top] as const
  }
  const zoom = () => {
    if (!drag || !chart.current) return
    const moment = (px: number) => Number(chart.current?.convertFromPixel({ xAxisIndex: 0 }, px))
    const ends = [moment(drag.start), moment(drag.now)].sort((a, b) => a - b)
    const from = Math.max(bounds.from, ends[0] ?? 0)
    const to = Math.min(bounds.to, ends[1] ?? 0)
    if (to - from >= LEAST_MS) clock.setSpan({ kind: 'between', from, to })
  }
  const pick = (event: PointerEvent<HTMLDivElement>) => {
    const [x, y] = place(event)
    const point = chart.current?.convertFromPixel({ gridIndex: 0 }, [x, y])
    const [time, value] = Array.isArray(point) ? point : []
    if (time !== undefined && value !== undefined) onPoint?.({ x, y, time, value })
  }
  return (
    <div
      className="chart"
      style={{ height }}
      onPointerDown={(event) => {
        if (event.button !== 0) return
        event.currentTarget.setPointerCapture(event.pointerId)
        const [x] = place(event)
        setDrag({ start: x, now: x })
      }}
      onPointerMove={(event) => {
        if (drag) setDrag({ start: drag.start, now: place(event)[0] })
      }}
      onPointerUp={(event) => {
        if (dragged) zoom()
        else if (drag) pick(event)
        setDrag(undefined)
      }}
      onPointerCancel={() => setDrag(undefined)}
    >
      {children}
      {drag && dragged ? (
        <div
          className="brushing"
          style={{ left: Math.min(drag.start, drag.now), width: Math.abs(drag.now - drag.start) }}
        />
      ) : null}
    </div>
  )
}
