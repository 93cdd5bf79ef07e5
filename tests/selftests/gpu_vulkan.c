// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Vulkan by Mesa's venus and the host's GPU: buffers that are filled and
 * copied and an image that is cleared read back exactly.
 */
#include <kselftest_harness.h>

#include <errno.h>

#include <vulkan/vulkan.h>

#include "gpu.h"

#define LONG_TEST	110
#define WAIT_NS		20000000000ULL
#define BYTES		(1 << 20)
#define SIZE		64	/* of the image, in pixels */

FIXTURE(vulkan) {
	int resources;
	VkInstance instance;
	VkPhysicalDevice gpu;
	VkDevice device;
	VkQueue queue;
	VkCommandPool pool;
};

static bool is_venus(VkPhysicalDevice gpu)
{
	VkPhysicalDeviceDriverProperties driver = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
	};
	VkPhysicalDeviceProperties2 props = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &driver,
	};

	vkGetPhysicalDeviceProperties2(gpu, &props);
	return driver.driverID == VK_DRIVER_ID_MESA_VENUS;
}

static VkPhysicalDevice find_venus(VkInstance instance)
{
	VkPhysicalDevice gpus[8];
	uint32_t n = 8;

	if (vkEnumeratePhysicalDevices(instance, &n, gpus) < 0)
		return VK_NULL_HANDLE;
	for (uint32_t i = 0; i < n; i++) {
		if (is_venus(gpus[i]))
			return gpus[i];
	}
	return VK_NULL_HANDLE;
}

static VkResult make_device(VkPhysicalDevice gpu, VkDevice *device)
{
	const float priority = 1;
	const VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1, .pQueuePriorities = &priority,
	};
	const VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.queueCreateInfoCount = 1, .pQueueCreateInfos = &queue,
	};

	return vkCreateDevice(gpu, &info, NULL, device);
}

FIXTURE_SETUP(vulkan)
{
	const VkApplicationInfo app = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_2,
	};
	const VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &app,
	};
	const VkCommandPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
	};
	int fd = gpu_open();
	bool venus = gpu_has_capset(fd, CAPSET_VENUS);

	close(fd);
	if (!venus)
		SKIP(return, "the host has no venus");
	self->resources = gpu_stat("resources");
	setenv("VK_DRIVER_FILES", "/usr/share/vulkan/icd.d/virtio_icd.json", 0);
	ASSERT_EQ(VK_SUCCESS, vkCreateInstance(&info, NULL, &self->instance));
	self->gpu = find_venus(self->instance);
	ASSERT_NE(VK_NULL_HANDLE, self->gpu);
	ASSERT_EQ(VK_SUCCESS, make_device(self->gpu, &self->device));
	vkGetDeviceQueue(self->device, 0, 0, &self->queue);
	ASSERT_EQ(VK_SUCCESS, vkCreateCommandPool(self->device, &pool, NULL,
						  &self->pool));
}

FIXTURE_TEARDOWN(vulkan)
{
	vkDestroyCommandPool(self->device, self->pool, NULL);
	vkDestroyDevice(self->device, NULL);
	vkDestroyInstance(self->instance, NULL);
	EXPECT_EQ(self->resources,
		  gpu_stat_wait("resources", self->resources));
}

/* --- memory --- */

#define VISIBLE	(VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |	\
		 VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)

/* A type of memory among @types that the program can map; -1: none. */
static int visible_type(VkPhysicalDevice gpu, uint32_t types)
{
	VkPhysicalDeviceMemoryProperties p;

	vkGetPhysicalDeviceMemoryProperties(gpu, &p);
	for (uint32_t i = 0; i < p.memoryTypeCount; i++) {
		if ((types >> i & 1) &&
		    (p.memoryTypes[i].propertyFlags & VISIBLE) == VISIBLE)
			return i;
	}
	return -1;
}

static VkResult allocate(VkPhysicalDevice gpu, VkDevice device,
			 const VkMemoryRequirements *need,
			 VkDeviceMemory *memory)
{
	int type = visible_type(gpu, need->memoryTypeBits);
	const VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.allocationSize = need->size, .memoryTypeIndex = type,
	};

	if (type < 0)
		return VK_ERROR_OUT_OF_DEVICE_MEMORY;
	return vkAllocateMemory(device, &info, NULL, memory);
}

/**
 * struct buffer - a buffer that is mapped
 */
struct buffer {
	VkBuffer buffer;
	VkDeviceMemory memory;
	void *map;
};

static VkResult buffer_make(VkPhysicalDevice gpu, VkDevice device,
			    struct buffer *b)
{
	const VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = BYTES,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
			 VK_BUFFER_USAGE_TRANSFER_DST_BIT,
	};
	VkMemoryRequirements need;
	VkResult ret = vkCreateBuffer(device, &info, NULL, &b->buffer);

	if (ret)
		return ret;
	vkGetBufferMemoryRequirements(device, b->buffer, &need);
	ret = allocate(gpu, device, &need, &b->memory);
	if (!ret)
		ret = vkBindBufferMemory(device, b->buffer, b->memory, 0);
	return ret ?: vkMapMemory(device, b->memory, 0, VK_WHOLE_SIZE, 0,
				  &b->map);
}

static void buffer_free(VkDevice device, struct buffer *b)
{
	vkDestroyBuffer(device, b->buffer, NULL);
	vkFreeMemory(device, b->memory, NULL);
}

/* --- commands --- */

static VkResult begin(VkDevice device, VkCommandPool pool, VkCommandBuffer *cmd)
{
	const VkCommandBufferAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = pool, .commandBufferCount = 1,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
	};
	const VkCommandBufferBeginInfo how = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};
	VkResult ret = vkAllocateCommandBuffers(device, &info, cmd);

	return ret ?: vkBeginCommandBuffer(*cmd, &how);
}

/* What was written can be read from now on, by commands and by the program. */
static void barrier(VkCommandBuffer cmd)
{
	const VkMemoryBarrier all = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT |
				 VK_ACCESS_TRANSFER_WRITE_BIT |
				 VK_ACCESS_HOST_READ_BIT,
	};

	vkCmdPipelineBarrier(cmd, VK_PIPELINE_STAGE_TRANSFER_BIT,
			     VK_PIPELINE_STAGE_TRANSFER_BIT |
			     VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &all, 0, NULL,
			     0, NULL);
}

static VkResult finish(VkDevice device, VkQueue queue, VkCommandBuffer cmd)
{
	const VkFenceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
	};
	const VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.commandBufferCount = 1, .pCommandBuffers = &cmd,
	};
	VkFence fence;
	VkResult ret;

	ret = vkEndCommandBuffer(cmd) ?:
	      vkCreateFence(device, &info, NULL, &fence);
	if (ret)
		return ret;
	ret = vkQueueSubmit(queue, 1, &submit, fence) ?:
	      vkWaitForFences(device, 1, &fence, VK_TRUE, WAIT_NS);
	vkDestroyFence(device, fence, NULL);
	return ret;
}

/* --- tests --- */

TEST_F_TIMEOUT(vulkan, fill_and_copy, LONG_TEST)
{
	struct buffer a, b;
	VkCommandBuffer cmd;
	const uint32_t *seen;

	ASSERT_EQ(VK_SUCCESS, buffer_make(self->gpu, self->device, &a));
	ASSERT_EQ(VK_SUCCESS, buffer_make(self->gpu, self->device, &b));
	gpu_pattern(a.map, BYTES, 1);
	memset(b.map, 0xee, BYTES);

	ASSERT_EQ(VK_SUCCESS, begin(self->device, self->pool, &cmd));
	vkCmdFillBuffer(cmd, a.buffer, 4096, 8192, 0x12345678);
	barrier(cmd);
	vkCmdCopyBuffer(cmd, a.buffer, b.buffer, 1,
			&(VkBufferCopy) { .size = BYTES - 4096 });
	barrier(cmd);
	ASSERT_EQ(VK_SUCCESS, finish(self->device, self->queue, cmd));

	gpu_pattern(a.map, 4096, 1);
	seen = b.map;
	EXPECT_EQ(0, memcmp(a.map, seen, BYTES - 4096));
	for (int i = 1024; i < 3072; i++) {
		ASSERT_EQ(0x12345678, seen[i]) TH_LOG("word %d", i);
	}
	for (int i = BYTES / 4 - 1024; i < BYTES / 4; i++) {
		ASSERT_EQ(0xeeeeeeee, seen[i]) TH_LOG("word %d", i);
	}
	buffer_free(self->device, &a);
	buffer_free(self->device, &b);
}

static VkResult image_make(VkPhysicalDevice gpu, VkDevice device,
			   VkImage *image, VkDeviceMemory *memory)
{
	const VkImageCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.imageType = VK_IMAGE_TYPE_2D,
		.format = VK_FORMAT_R8G8B8A8_UNORM,
		.extent = { SIZE, SIZE, 1 }, .mipLevels = 1, .arrayLayers = 1,
		.samples = VK_SAMPLE_COUNT_1_BIT,
		.tiling = VK_IMAGE_TILING_OPTIMAL,
		.usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
			 VK_IMAGE_USAGE_TRANSFER_DST_BIT,
	};
	VkMemoryRequirements need;
	VkResult ret = vkCreateImage(device, &info, NULL, image);

	if (ret)
		return ret;
	vkGetImageMemoryRequirements(device, *image, &need);
	ret = allocate(gpu, device, &need, memory);
	return ret ?: vkBindImageMemory(device, *image, *memory, 0);
}

static void to_layout(VkCommandBuffer cmd, VkImage image, VkImageLayout from,
		      VkImageLayout to)
{
	const VkImageMemoryBarrier change = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT |
				 VK_ACCESS_TRANSFER_WRITE_BIT,
		.oldLayout = from, .newLayout = to,
		.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.image = image,
		.subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1 },
	};

	vkCmdPipelineBarrier(cmd, VK_PIPELINE_STAGE_TRANSFER_BIT,
			     VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, NULL, 0,
			     NULL, 1, &change);
}

TEST_F_TIMEOUT(vulkan, clear_an_image, LONG_TEST)
{
	const VkImageSubresourceRange all = {
		VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1
	};
	const VkBufferImageCopy copy = {
		.imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1 },
		.imageExtent = { SIZE, SIZE, 1 },
	};
	const VkClearColorValue colour = { .float32 = { 1, 0.2, 0, 1 } };
	VkDeviceMemory memory;
	VkCommandBuffer cmd;
	const uint32_t *seen;
	struct buffer b;
	VkImage image;

	ASSERT_EQ(VK_SUCCESS, buffer_make(self->gpu, self->device, &b));
	ASSERT_EQ(VK_SUCCESS, image_make(self->gpu, self->device, &image,
					 &memory));
	memset(b.map, 0xee, BYTES);
	ASSERT_EQ(VK_SUCCESS, begin(self->device, self->pool, &cmd));
	to_layout(cmd, image, VK_IMAGE_LAYOUT_UNDEFINED,
		  VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
	vkCmdClearColorImage(cmd, image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
			     &colour, 1, &all);
	to_layout(cmd, image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
		  VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
	vkCmdCopyImageToBuffer(cmd, image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
			       b.buffer, 1, &copy);
	barrier(cmd);
	ASSERT_EQ(VK_SUCCESS, finish(self->device, self->queue, cmd));

	seen = b.map;
	for (int i = 0; i < SIZE * SIZE; i++) {
		ASSERT_EQ(0xff0033ff, seen[i]) TH_LOG("pixel %d", i);
	}
	EXPECT_EQ(0xeeeeeeee, seen[SIZE * SIZE]);
	vkDestroyImage(self->device, image, NULL);
	vkFreeMemory(self->device, memory, NULL);
	buffer_free(self->device, &b);
}

TEST_HARNESS_MAIN
