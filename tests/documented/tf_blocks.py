"""What the documented page of transformers 4.30 shows for TensorFlow, as functions.

Each is the counterpart of the function of its name in `blocks.py`, whose results have the same
names. `library` is the library that is imported, `name` the checkpoint.
"""

import tensorflow as tf

from documented.blocks import CAPITAL, DOG

__all__ = ["TF_ANY_CHECKPOINT", "TF_HEADS"]


def encoder(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.TFMobileBertModel.from_pretrained(name)
    inputs = tokenizer(DOG, return_tensors="tf")
    outputs = model(inputs)
    return {"ids": inputs["input_ids"], "states": outputs.last_hidden_state}


def pretraining(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.TFMobileBertForPreTraining.from_pretrained(name)
    ids = tokenizer.encode(DOG)
    input_ids = tf.constant(ids)[None, :]  # a batch of one
    outputs = model(input_ids)
    words, relationship = outputs[:2]
    return {"ids": ids, "words": words, "relationship": relationship}


def masked_lm(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.TFMobileBertForMaskedLM.from_pretrained(name)
    inputs = tokenizer(CAPITAL, return_tensors="tf")
    logits = model(**inputs).logits
    # Where the mask is, and what stands there.
    mask_token_index = tf.where((inputs.input_ids == tokenizer.mask_token_id)[0])
    selected_logits = tf.gather_nd(logits[0], indices=mask_token_index)
    word = tokenizer.decode(tf.math.argmax(selected_logits, axis=-1))
    labels = tokenizer("The capital of France is Paris.", return_tensors="tf")["input_ids"]
    # Only masked positions count.
    labels = tf.where(inputs.input_ids == tokenizer.mask_token_id, labels, -100)
    outputs = model(**inputs, labels=labels)
    return {
        "index": mask_token_index[0],
        "logits": logits,
        "word": word,
        "labels": labels,
        "loss": round(float(outputs.loss), 2),
    }


def next_sentence(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.TFMobileBertForNextSentencePrediction.from_pretrained(name)
    prompt = "In Italy, pizza served in formal settings is presented unsliced."
    following = "The sky is blue due to the shorter wavelength of blue light."
    encoding = tokenizer(prompt, following, return_tensors="tf")
    logits = model(encoding["input_ids"], token_type_ids=encoding["token_type_ids"])[0]
    assert logits[0][0] != logits[0][1]  # the page compares them to tell what is random
    return {"types": encoding["token_type_ids"], "logits": logits}


def one_of_several_classes(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.TFMobileBertForSequenceClassification.from_pretrained(name)
    inputs = tokenizer(DOG, return_tensors="tf")
    logits = model(**inputs).logits
    predicted_class_id = int(tf.math.argmax(logits, axis=-1)[0])
    label = model.config.id2label[predicted_class_id]
    # As many labels as the checkpoint has: its head is kept.
    num_labels = len(model.config.id2label)
    model = library.TFMobileBertForSequenceClassification.from_pretrained(
        name, num_labels=num_labels
    )
    labels = tf.constant(1)  # without an axis
    loss = model(**inputs, labels=labels).loss
    return {"logits": logits, "label": label, "loss": round(float(loss), 2)}


def choices(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.TFMobileBertForMultipleChoice.from_pretrained(name)
    prompt = "In Italy, pizza served in formal settings is presented unsliced."
    choice0 = "It is eaten with a fork and a knife."
    choice1 = "It is eaten while held in the hand."
    encoding = tokenizer([prompt, prompt], [choice0, choice1], return_tensors="tf", padding=True)
    inputs = {k: tf.expand_dims(v, 0) for k, v in encoding.items()}
    outputs = model(inputs)  # a batch of one
    return {"logits": outputs.logits}


def token_classes(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.TFMobileBertForTokenClassification.from_pretrained(name)
    text = "HuggingFace is a company based in Paris and New York"
    inputs = tokenizer(text, add_special_tokens=False, return_tensors="tf")
    logits = model(**inputs).logits
    predicted = tf.math.argmax(logits, axis=-1)
    # Tokens are classified, not words: one word may have several classes.
    classes = [model.config.id2label[t] for t in predicted[0].numpy().tolist()]
    loss = tf.math.reduce_mean(model(**inputs, labels=predicted).loss)
    return {"logits": logits, "classes": classes, "loss": round(float(loss), 2)}


def answer(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.TFMobileBertForQuestionAnswering.from_pretrained(name)
    question, text = "Who was Jim Henson?", "Jim Henson was a nice puppet"
    inputs = tokenizer(question, text, return_tensors="tf")
    outputs = model(**inputs)
    first = int(tf.math.argmax(outputs.start_logits, axis=-1)[0])
    last = int(tf.math.argmax(outputs.end_logits, axis=-1)[0])
    tokens = inputs.input_ids[0, first : last + 1]
    span = tokenizer.decode(tokens, skip_special_tokens=True)
    target_start_index, target_end_index = tf.constant([12]), tf.constant([13])
    outputs = model(**inputs, start_positions=target_start_index, end_positions=target_end_index)
    return {
        "start": outputs.start_logits,
        "end": outputs.end_logits,
        "span": span,
        "loss": tf.math.reduce_mean(outputs.loss),
    }


# Blocks for the bundled checkpoint as it is.
TF_ANY_CHECKPOINT = (encoder, pretraining, masked_lm, next_sentence)

# Blocks for a checkpoint made for their task.
TF_HEADS = (one_of_several_classes, choices, token_classes, answer)
