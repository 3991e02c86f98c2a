"""A training run: the step, the loop around it, the optimisers, the feed of images and the saves of the state.

`loop.train` is the public function. The files of a run are the business of `runs`, and numbers about a trained model
are those of `evaluation`.
"""
