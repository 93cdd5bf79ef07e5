/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What is static but for the unit tests in tests/kunit.
 */
#ifndef _VIRTGPU_KUNIT_H_
#define _VIRTGPU_KUNIT_H_

#include <kunit/visibility.h>

#include "virtgpu_drv.h"

#if IS_ENABLED(CONFIG_KUNIT)
struct virtgpu_device *virtgpu_alloc(struct virtio_device *vdev);
void virtgpu_free(struct virtio_device *vdev, void *devres);
int virtgpu_init_software(struct virtgpu_device *vgdev);
void virtgpu_read_config(struct virtgpu_device *vgdev);
int virtgpu_validate(struct virtio_device *vdev);
int virtgpu_check_blob(struct virtgpu_device *vgdev,
		       const struct drm_virtgpu_resource_create_blob *args);
int virtgpu_cmd_check(const struct virtgpu_cmd *cmd);
struct virtgpu_payload *virtgpu_object_entries(struct virtgpu_device *vgdev,
					       struct virtgpu_object *obj);
struct sg_table *virtgpu_vram_sgt(dma_addr_t addr, size_t size);
struct virtgpu_capset *virtgpu_capset_get_locked(struct virtgpu_device *vgdev, u32 id,
						 u32 version);
bool virtgpu_output_set_info(struct virtgpu_output *output,
			     const struct virtio_gpu_display_one *one);
const struct drm_edid *virtgpu_parse_edid(struct virtgpu_device *vgdev,
					  const struct virtio_gpu_resp_edid *resp);
bool virtgpu_edid_equal(const struct drm_edid *a, const struct drm_edid *b);
int virtgpu_add_preferred_mode(struct drm_connector *connector, int width, int height);
enum drm_mode_status virtgpu_crtc_mode_valid(struct drm_crtc *crtc,
					     const struct drm_display_mode *mode);
void virtgpu_damage_add(struct virtgpu_damage *damage, struct drm_rect rect);
struct drm_rect virtgpu_damage_bounds(const struct virtgpu_damage *damage);
#endif

#endif
