/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM virtio_gpu

#if !defined(_VIRTGPU_TRACE_H_) || defined(TRACE_HEADER_MULTI_READ)
#define _VIRTGPU_TRACE_H_

#include <linux/tracepoint.h>

#include "virtgpu_drv.h"

TRACE_EVENT(virtgpu_cmd_queue,
	    TP_PROTO(const struct virtgpu_cmd *cmd, unsigned int backlog, unsigned int in_ring),
	    TP_ARGS(cmd, backlog, in_ring),
	    TP_STRUCT__entry(__field(int, dev)
			     __string(name, cmd->info->name)
			     __field(u64, fence_id)
			     __field(u32, ctx_id)
			     __field(unsigned int, payload)
			     __field(unsigned int, backlog)
			     __field(unsigned int, in_ring)),
	    TP_fast_assign(__entry->dev = cmd->vgdev->index;
			   __assign_str(name);
			   __entry->fence_id = le64_to_cpu(cmd->req.hdr.fence_id);
			   __entry->ctx_id = le32_to_cpu(cmd->req.hdr.ctx_id);
			   __entry->payload = cmd->payload ? cmd->payload->size : 0;
			   __entry->backlog = backlog;
			   __entry->in_ring = in_ring;),
	    TP_printk("dev=%d %s fence=%llu ctx=%u payload=%u backlog=%u in_ring=%u",
		      __entry->dev, __get_str(name), __entry->fence_id, __entry->ctx_id,
		      __entry->payload, __entry->backlog, __entry->in_ring)
);

TRACE_EVENT(virtgpu_cmd_done,
	    TP_PROTO(const struct virtgpu_cmd *cmd),
	    TP_ARGS(cmd),
	    TP_STRUCT__entry(__field(int, dev)
			     __string(name, cmd->info->name)
			     __field(u64, fence_id)
			     __field(int, error)),
	    TP_fast_assign(__entry->dev = cmd->vgdev->index;
			   __assign_str(name);
			   __entry->fence_id = le64_to_cpu(cmd->req.hdr.fence_id);
			   __entry->error = cmd->error;),
	    TP_printk("dev=%d %s fence=%llu error=%d",
		      __entry->dev, __get_str(name), __entry->fence_id, __entry->error)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE virtgpu_trace
#include <trace/define_trace.h>
