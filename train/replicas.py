"""How does a batch of any size go through a network on all replicas?"""

from collections.abc import Callable

import tensorflow as tf

Outputs = dict[str, tf.Tensor]


def over_replicas(
    network: Callable[[tf.Tensor], Outputs], strategy: tf.distribute.Strategy
) -> Callable[[tf.Tensor, int], Outputs]:
    """Makes the function that computes a batch in equal parts.

    Each replica takes its part, and every worker gets the outputs of all; so
    all workers must call it equally often, with the same images.

    Args:
        network: From images to outputs by name; its variables were made within
            the strategy's scope.
        strategy: How to distribute.

    Returns:
        A function of images, (count, height, width, channels), and of how many
        images a full batch has, at least `count`, that gives the outputs of
        these images in their order.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        compute = tf.function(network)
        return lambda images, _: compute(images)

    @tf.function
    def compute_parts(parts):
        return strategy.run(network, args=(parts,))

    def compute(images, full):
        count = len(images)
        # Every batch is as large: the same graph, the same parts.
        size = -(-full // replicas) * replicas
        padding = [[0, size - count]] + [[0, 0]] * (len(images.shape) - 1)
        parts = tf.split(tf.pad(images, padding), replicas)
        mine = strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )
        return {
            name: strategy.gather(values, axis=0)[:count]
            for name, values in compute_parts(mine).items()
        }

    return compute
